import type { GraphBuilder } from '../builder.ts';
import { ShapeError } from '../errors.ts';
import { checkTableSize } from '../fold.ts';
import { describeNode } from '../graph.ts';
import type { Value } from '../value.ts';
import {
  floatAttribute,
  inputAt,
  intAttribute,
  type Lowering,
  type LoweringContext,
  unsupportedForm,
} from './lowering.ts';

/**
 * Scaled dot-product attention, softmax(cap(scale · Q·Kᵀ) + mask)·V with cap(s) = softcap · tanh(s / softcap), for
 * several heads (Vaswani et al. 2017), also when groups of query heads share a key head (Ainslie et al. 2023).
 * Operands are [batch, heads, length, size], or [batch, length, heads · size] with the number of heads as attributes.
 */
export const attention: Lowering = (context) => {
  const { g, node, inputs } = context;
  if (inputs[6] !== undefined) throw unsupportedForm(context, 'a length for each sequence (nonpad_kv_seqlen)');
  const flat = inputAt(context, 0).shape.length === 3;
  const q = splitHeads(context, 0, 'q_num_heads');
  const presentKey = extend(g, inputs[4], splitHeads(context, 1, 'kv_num_heads'));
  const presentValue = extend(g, inputs[5], splitHeads(context, 2, 'kv_num_heads'));
  const [batch, heads, length, size] = q.shape as [number, number, number, number];
  if (presentKey.shape[1] === 0 || heads % presentKey.shape[1]! !== 0) {
    throw new ShapeError(
      `${describeNode(node)} cannot share ${presentKey.shape[1]} key heads among ${heads} query heads`,
    );
  }
  const k = repeatHeads(g, presentKey, heads);
  const v = repeatHeads(g, presentValue, heads);

  const scale = floatAttribute(context, 'scale', 1 / Math.sqrt(size));
  const raw = g.matmul(g.scale(q, scale), g.matrixTranspose(k));
  const softcap = floatAttribute(context, 'softcap', 0);
  const capped = softcap > 0 ? g.scale(g.tanh(g.scale(raw, 1 / softcap)), softcap) : raw;
  const bias = maskBias(context, length, k.shape[2]!, inputs[4]?.shape[2] ?? 0, q);
  const masked = bias === undefined ? capped : g.add(capped, bias);
  const weights = g.op('Softmax', [masked], { axis: -1 });
  const y = g.matmul(weights, v);

  const merged = flat ? g.reshape(g.transpose(y, [0, 2, 1, 3]), [batch, length, heads * v.shape[3]!]) : y;
  const inspected = [raw, capped, masked, weights][intAttribute(context, 'qk_matmul_output_mode', 0)];
  return [merged, presentKey, presentValue, inspected];
};

/** [batch, length, heads · size] as [batch, heads, length, size]. */
function splitHeads(context: LoweringContext, index: number, attribute: string): Value {
  const { g, node } = context;
  const x = inputAt(context, index);
  if (x.shape.length === 4) return x;
  const heads = intAttribute(context, attribute);
  const [batch, length, width] = x.shape as [number, number, number];
  if (x.shape.length !== 3 || heads === undefined || heads < 1 || width % heads !== 0) {
    throw new ShapeError(
      `${describeNode(node)} cannot split its input ${index} of shape [${x.shape}] into ${heads} heads`,
    );
  }
  return g.transpose(g.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

const extend = (g: GraphBuilder, past: Value | undefined, x: Value): Value =>
  past === undefined ? x : g.concat([past, x], 2);

/** Each head as often in a row as it takes to make `heads` of them. */
function repeatHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, own, length, size] = x.shape as [number, number, number, number];
  if (own === heads) return x;
  return g.reshape(g.expand(g.unsqueeze(x, [2]), [batch, own, heads / own, length, size]), [
    batch,
    heads,
    length,
    size,
  ]);
}

/** What is added to the scores: the mask given, and a large negative number for keys that come after the query. */
function maskBias(
  context: LoweringContext,
  queries: number,
  keys: number,
  pastKeys: number,
  like: Value,
): Value | undefined {
  const { g } = context;
  // Finite, so that a row without any key gives no NaN; twice it is still in range.
  const never = like.dtype === 'float16' ? -3e4 : -1.5e38;
  const parts: Value[] = [];
  const mask = context.inputs[3];
  if (mask !== undefined) {
    const zero = g.constant(0, [], like);
    const given = mask.dtype === 'bool' ? g.where(mask, zero, g.constant(never, [], like)) : mask;
    const missing = keys - given.shape.at(-1)!;
    const padding = [...given.shape.slice(0, -1), missing];
    parts.push(missing > 0 ? g.concat([given, g.constant(never, padding, like)], given.shape.length - 1) : given);
  }
  if (intAttribute(context, 'is_causal', 0) === 1) {
    checkTableSize(queries * keys, 'the causal mask of Attention', 2 ** 24);
    const numbers = Array.from({ length: queries * keys }, (_, i) =>
      (i % keys) - pastKeys > Math.floor(i / keys) ? never : 0,
    );
    parts.push(g.constant(numbers, [queries, keys], like));
  }
  return parts.length === 0 ? undefined : g.sum(parts);
}
