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
    .replace(/(?:[A-Za-z]:)?[/\\]\S+\.(?:cc|cpp|h|cu)[: ]\d+ /g, '')
    .replace(/(?:[\w*&<>,]+ )?onnxruntime::[\w:~<>,*& ]+\([^)]*\)(?: const)?(?: \[[^\]]*\])? /g, '')
    .replace(/^Exception during initialization: /, '')
    .trim()
    .replace(/[."'\s]+$/, '');
}
