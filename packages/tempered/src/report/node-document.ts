/** @file Node only. */

import { JSDOM } from 'jsdom';

/** A document to draw plots in where there is no browser. */
export const createDocument = (): Document => new JSDOM('').window.document;
