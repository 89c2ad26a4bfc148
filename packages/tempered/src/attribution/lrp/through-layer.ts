/** @file Relevance through a layer with weights. */
import {
  type AttributeInput,
  derivativeAt,
  type GraphBuilder,
  type Node,
  type RuleContext,
  type Value,
} from 'onnx-grad';
import { channelAxis, type Layer } from './network.ts';
import { endOfImages, plainAttributes, replay } from './replay.ts';
import { type InputPart, type LrpRule, sharesOf } from './rules.ts';
import { stabilise } from './stabilise.ts';

/** A layer's numbers, with everything merged: output = map(input, weight) + bias. */
interface Merged {
  /** The node's input, less what it is at a black image where normalisation before the layer is merged. */
  readonly input: Value;
  readonly weight: Value;
  /** One number a channel, or a position's; undefined for none. */
  readonly bias: Value | undefined;
  readonly output: Value;
}

type Weighted = Exclude<LrpRule, { rule: 'pass' }>;

interface HowThrough {
  readonly layer: Layer;
  readonly rule: Weighted;
  /** Name of the image, where no other layer comes before: what the box rule's ends are values of. */
  readonly image: string | undefined;
  /** Whether a value can be seen never to be negative. */
  nonNegative(value: Value): boolean;
}

/**
 * The relevance of a layer's input from that of its output, of the shape of the input: the sum over the rule's shares
 * of Σ ± input part ⊙ adjoint(relevance / stabilised z).
 */
export function throughLayer({ g, attributes, inputs, dy: relevance }: RuleContext, how: HowThrough): Value {
  const { layer, rule, nonNegative } = how;
  const merged = mergedLayer(g, layer, inputs);
  const x = inputs[layer.input]!;
  const part = inputParts(g, how, merged.input);
  const unsigned = merged.input === x && nonNegative(x);
  const apply = (input: Value, weight: Value) => applied(g, layer, input, weight);
  const back = (weight: Value, cotangent: Value): Value => {
    const operands = layer.weight === 0 ? [weight, x] : [x, weight];
    const thunks = derivativeAt(layer.node)!({
      g,
      node: layer.node,
      attributes: layer.node.op === 'Gemm' ? { ...attributes, alpha: 1, beta: 1 } : attributes,
      inputs: operands,
      outputs: [merged.output],
      has: (i) => i < 2,
      dy: cotangent,
      dys: [cotangent],
    });
    return thunks[layer.input]!();
  };
  const parts = sharesOf(rule, unsigned).flatMap(({ factor, outputs, terms }) => {
    const used = terms.map(({ weight, bias, ...term }) => ({
      ...term,
      input: part(term.input),
      weight: weight(g, merged.weight),
      bias: merged.bias && bias?.(g, merged.bias),
    }));
    const z = isOutput(rule)
      ? merged.output
      : total(
          g,
          used.flatMap(({ input, weight, bias, sign }) => [
            { value: apply(input, weight), sign },
            ...(bias ? [{ value: bias, sign }] : []),
          ]),
        );
    const shared = g.div(ofSign(g, relevance, merged.output, outputs), stabilise(g, z, rule.stabiliser));
    return used.map(({ input, weight, sign }) => ({
      value: g.scale(g.mul(input, back(weight, shared)), Math.abs(factor)),
      sign: sign * Math.sign(factor),
    }));
  });
  return total(g, parts);
}

/** Whether the contributions add up to the layer's own output. */
const isOutput = (rule: Weighted): boolean => rule.rule === 'epsilon' && rule.bias === 'modified';

function total(g: GraphBuilder, parts: readonly { value: Value; sign: number }[]): Value {
  const [first, ...others] = parts;
  return others.reduce(
    (sum, { value, sign }) => (sign > 0 ? g.add(sum, value) : g.sub(sum, value)),
    first!.sign > 0 ? first!.value : g.neg(first!.value),
  );
}

function ofSign(g: GraphBuilder, relevance: Value, output: Value, sign: 'positive' | 'negative' | undefined): Value {
  if (sign === undefined) return relevance;
  const zero = g.constant(0, [], output);
  return g.mask(sign === 'positive' ? g.greater(output, zero) : g.less(output, zero), relevance);
}

/** The layer's map without bias, by other weights. */
function applied(g: GraphBuilder, { node, weight: at }: Layer, input: Value, weight: Value): Value {
  const attributes: Record<string, AttributeInput> = plainAttributes(node);
  if (node.op === 'Gemm') Object.assign(attributes, { alpha: 1, beta: 1 });
  return g.op(node.op, at === 0 ? [weight, input] : [input, weight], attributes);
}

function mergedLayer(g: GraphBuilder, layer: Layer, inputs: readonly Value[]): Merged {
  const { node } = layer;
  const output = g.value(layer.output);
  const x = inputs[layer.input]!;
  const { scale, shift } = channelMap(g, layer);
  const weight = scaled(g, layer, unfolded(inputs[layer.weight]!), scale);
  if (layer.origin === undefined) return { input: x, weight, bias: shift, output };
  const atBlack = replay(g, { origin: layer.origin, name: node.inputs[layer.input]!, value: 0 });
  const offset = applied(g, layer, atBlack, weight);
  return { input: g.sub(x, atBlack), weight, bias: shift ? g.add(offset, shift) : offset, output };
}

/**
 * The value as one that is not known before the run: what rules make of weights then stays a few nodes of the program,
 * which would otherwise hold several copies of a large network.
 */
const unfolded = ({ name, dtype, shape }: Value): Value => ({ name, dtype, shape });

/** What follows a layer's products, for each channel: z ↦ scale · z + shift, in a shape that broadcasts with z. */
function channelMap(g: GraphBuilder, { node, after }: Layer): { scale: Value | undefined; shift: Value | undefined } {
  const { shape } = g.value(node.outputs[0]!);
  const axis = channelAxis(node, shape);
  const spread = (vector: Value) =>
    g.reshape(
      vector,
      shape.map((_, i) => (i === axis ? -1 : 1)),
    );
  let scale: Value | undefined;
  let shift = node.inputs[2] ? alongChannels(g, g.value(node.inputs[2]), shape.length, axis) : undefined;
  const beta = number(node, 'beta');
  if (shift && node.op === 'Gemm') shift = g.scale(shift, beta);
  const alpha = number(node, 'alpha');
  if (node.op === 'Gemm' && alpha !== 1) scale = g.constant(alpha, [], g.value(node.inputs[1]!));
  const times = (factor: Value): void => {
    scale = scale ? g.mul(scale, factor) : factor;
    shift = shift && g.mul(shift, factor);
  };
  const plus = (offset: Value): void => {
    shift = shift ? g.add(shift, offset) : offset;
  };
  let name = node.outputs[0]!;
  for (const next of after) {
    const other = next.inputs.find((input) => input !== name);
    const constant = other === undefined ? undefined : g.value(other);
    const minus = () => times(g.constant(-1, [], g.value(name)));
    if (next.op === 'BatchNormalization') {
      const [, gain, offset, mean, variance] = next.inputs.map((input) => g.value(input));
      const epsilon = number(next, 'epsilon', 1e-5);
      const factor = g.div(gain!, g.sqrt(g.offset(variance!, epsilon)));
      plus(spread(g.neg(mean!)));
      times(spread(factor));
      plus(spread(offset!));
    } else if (next.op === 'Neg') minus();
    else if (next.op === 'Mul') times(constant!);
    else if (next.op === 'Div') times(g.div(g.constant(1, [], constant!), constant!));
    else if (next.op === 'Add') plus(constant!);
    else if (next.op === 'Sub') {
      if (next.inputs[0] !== name) minus();
      plus(next.inputs[0] === name ? g.neg(constant!) : constant!);
    }
    name = next.outputs[0]!;
  }
  return { scale, shift };
}

/** A node's bias, in a shape that broadcasts with its output. */
const alongChannels = (g: GraphBuilder, bias: Value, rank: number, axis: number): Value =>
  axis === rank - 1
    ? bias
    : g.reshape(
        bias,
        Array.from({ length: rank }, (_, i) => (i === axis ? -1 : 1)),
      );

function number(node: Node, attribute: string, absent = 1): number {
  const value = node.attributes[attribute]?.value;
  return typeof value === 'number' ? value : absent;
}

/** Weights times a factor for each channel of the output. */
function scaled(g: GraphBuilder, { node }: Layer, weight: Value, scale: Value | undefined): Value {
  if (scale === undefined) return weight;
  const channels = scale.shape.reduce((a, b) => a * b, 1);
  if (channels === 1) return g.mul(weight, g.reshape(scale, []));
  const lastAxis = node.op === 'MatMul' || (node.op === 'Gemm' && !node.attributes.transB?.value);
  const axis = lastAxis ? weight.shape.length - 1 : node.op === 'ConvTranspose' ? 1 : 0;
  return g.mul(
    weight,
    g.reshape(
      scale,
      weight.shape.map((_, i) => (i === axis ? channels : 1)),
    ),
  );
}

/** The parts of a layer's input that a rule's terms multiply. Constant ones have a batch of 1. */
function inputParts(g: GraphBuilder, { layer, rule, image }: HowThrough, input: Value): (part: InputPart) => Value {
  const name = layer.node.inputs[layer.input]!;
  const one = [1, ...input.shape.slice(1)];
  /** What the input is where its origin is the same number everywhere. */
  const at = (value: number): Value =>
    layer.origin === undefined ? g.constant(value, one, input) : replay(g, { origin: layer.origin, name, value });
  /** And where the image is, or what the layer is given. */
  const atEnd = (value: number): Value =>
    image === undefined ? at(value) : endOfImages(g, image, layer.node, name, value);
  /** The input from black. */
  const fromBlack = (value: Value): Value => (layer.origin === undefined ? value : g.sub(value, at(0)));
  const edge = (pick: 'min' | 'max'): Value => {
    const { low, high } = rule as Extract<LrpRule, { rule: 'box' }>;
    return g[pick](fromBlack(atEnd(low)), fromBlack(atEnd(high)));
  };
  const zero = g.constant(0, [], input);
  const made = new Map<InputPart, Value>();
  const make: Record<InputPart, () => Value> = {
    x: () => input,
    positive: () => g.max(input, zero),
    negative: () => g.min(input, zero),
    ones: () => {
      if (layer.origin === undefined) return at(1);
      const white = fromBlack(at(1));
      // Squared weights of a merged layer hold the square of the normalisation's factor; padding counts for nothing.
      return rule.rule === 'w-square' ? g.square(white) : g.cast(g.greater(g.abs(white), zero), input.dtype);
    },
    low: () => edge('min'),
    high: () => edge('max'),
  };
  return (part) => {
    const value = made.get(part) ?? make[part]();
    made.set(part, value);
    return value;
  };
}
