/** A model file that cannot be read: truncated, not ONNX, or inconsistent. */
export class ModelError extends Error {
  override name = 'ModelError';
}

/** Shapes that do not fit an operator or the shapes asked for. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

/** An operator, or a form of one, that cannot be read, specialised or differentiated. */
export class UnsupportedOpError extends Error {
  override name = 'UnsupportedOpError';
  readonly operator: string;

  constructor(operator: string, message: string) {
    super(message);
    this.operator = operator;
  }
}
