/** @file Opens test pages in headless Chromium: bundles an entry as an application would, serves it, waits for it. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build, type InlineConfig } from 'vite';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Why browser tests cannot run here, or undefined when they can. Where they must run (CI=true), a missing browser throws. */
export function whyNoBrowser(): string | undefined {
  if (existsSync(executablePath)) return undefined;
  const reason = `browser tests need Chromium: there is none at ${executablePath} (set CHROMIUM to its path)`;
  if (process.env.CI === 'true') throw new Error(reason);
  return reason;
}

export interface OpenPage {
  readonly page: Page;
  close(): Promise<void>;
}

/**
 * Opens a page whose script is `entry` and waits until it has set `globalThis.ready`. Errors on the page are printed.
 *
 * @param entry absolute path of a TypeScript module
 */
export async function openPage(entry: string): Promise<OpenPage> {
  return withFolder(async (folder, opening) => {
    await writeFile(join(folder, 'main.ts'), `import ${JSON.stringify(entry)};`);
    await writeFile(
      join(folder, 'index.html'),
      '<!doctype html><meta charset="utf-8"><title>test page</title><link rel="icon" href="data:,">' +
        '<script type="module" src="/main.ts"></script>',
    );
    await build({ ...BUILD, configFile: false, root: folder, worker: { format: 'es' } });
    const page = await serveAndOpen(join(folder, 'dist'), opening);
    await page.waitForFunction('globalThis.ready === true', undefined, { timeout: 60_000 });
    return page;
  });
}

/**
 * Opens a site as its own Vite configuration builds it. Errors on the page are printed.
 *
 * @param root absolute path of the folder with its `index.html`
 */
export async function openSite(root: string): Promise<OpenPage> {
  return withFolder(async (folder, opening) => {
    const outDir = join(folder, 'dist');
    await build({ ...BUILD, root, build: { ...BUILD.build, outDir, emptyOutDir: true } });
    return serveAndOpen(outDir, opening);
  });
}

const BUILD: InlineConfig = {
  logLevel: 'error',
  resolve: { conditions: ['source', 'module', 'browser', 'import', 'default'] },
  build: { outDir: 'dist', minify: false, reportCompressedSize: false, target: 'esnext' },
};

/** What has to be undone, in the order in which it was done. */
type Closers = (() => unknown)[];

async function withFolder(open: (folder: string, opening: Closers) => Promise<Page>): Promise<OpenPage> {
  const folder = await mkdtemp(join(tmpdir(), 'tempered-page-'));
  const opening: Closers = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const closer of opening.reverse()) await closer();
  };
  try {
    return { page: await open(folder, opening), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function serveAndOpen(root: string, opening: Closers): Promise<Page> {
  const server = await serveFolder(root);
  opening.push(() => server.close());
  const browser: Browser = await chromium.launch({ executablePath, args: FLAGS });
  opening.push(() => browser.close());
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(`page: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`page: ${message.text()}`);
  });
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  return page;
}

/** Serves files with the headers that give a page shared memory, and with it threads. */
async function serveFolder(root: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const file = join(root, normalize(path === '/' ? '/index.html' : path));
    try {
      const content = await readFile(file);
      response.writeHead(200, {
        'Content-Type': CONTENT_TYPES[extname(file)] ?? 'application/octet-stream',
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return server;
}
