/**
 * One sentence from what ONNX Runtime says, without its source locations, C++ names and status prefixes.
 *
 * @example
 * describeEngineError("Can't create a session. ERROR_CODE: 7, ERROR_MESSAGE: Failed to load model because protobuf parsing failed.")
 * // "Failed to load model because protobuf parsing failed"
 */
export function describeEngineError(message: string): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/^.*?ERROR_MESSAGE: ["']?/, '')
    .replace(/^Error: /, '')
    .replace(
      /Non-zero status code returned while running (\S+) node\. Name:\s*'([^']*)' Status Message: /,
      "$1 node '$2': ",
    )
    .replace(SOURCE_LOCATION, '')
    .replace(/^.* was false\. (?=\S)/, keepNode)
    .replace(/^Exception during initialization: /, '')
    .trim()
    .replace(/[."'\s]+$/, '');
}

/** "/path/file.cc:12 onnxruntime::Class::Function(const Type&, ...) const " */
const SOURCE_LOCATION =
  /(?:[A-Za-z]:)?[/\\]\S+\.(?:cc|cpp|h|cu)[: ]\d+ (?:[^()]*::[\w:<>~]+\([^)]*\)(?: const)?(?:::<lambda\([^)]*\)>)?(?: \[[^\]]*\])? )?/g;

/** Of "Conv node 'conv1': condition was false. ", the name of the node. */
const keepNode = (prefix: string): string => /^\S+ node '[^']*': /.exec(prefix)?.[0] ?? '';
