/** Names in messages come from files: they neither flood the screen nor steer the terminal. */
function readable(message: string): string {
  const plain = message.replace(/\p{Cc}/gu, '?');
  return plain.length > 600 ? `${plain.slice(0, 600)} ...` : plain;
}

/** A model file that cannot be read: truncated, not ONNX, or inconsistent. */
export class ModelError extends Error {
  override name = 'ModelError';

  constructor(message: string, options?: ErrorOptions) {
    super(readable(message), options);
  }
}

/** Shapes that do not fit an operator or the shapes asked for. */
export class ShapeError extends Error {
  override name = 'ShapeError';

  constructor(message: string, options?: ErrorOptions) {
    super(readable(message), options);
  }
}

/** An operator, or a form of one, that cannot be read, specialised or differentiated. */
export class UnsupportedOpError extends Error {
  override name = 'UnsupportedOpError';
  readonly operator: string;

  constructor(operator: string, message: string) {
    super(readable(message));
    this.operator = operator;
  }
}
