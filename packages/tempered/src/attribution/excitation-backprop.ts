import type { Task } from './explanation.ts';
import { relevancePass } from './lrp/lrp.ts';
import { alphaBetaRule, epsilonRule, zPlusRule } from './lrp/rules.ts';
import type { OnePass } from './one-pass.ts';

export interface ExcitationBackprop {
  readonly name: 'excitation-backprop';
  readonly contrastive: boolean;
}

/**
 * Excitation backpropagation: the probability that a random walk from the class down the network, which follows
 * excitatory connections in proportion to their contributions, passes a pixel (or an element of `layer`; the authors
 * show layers in the middle). Biases take no part, so each map adds up to 1, less what arrives at units without any
 * excitatory input; the certificate says where. Zhang et al. 2016, §3.1–3.2.
 *
 * `contrastive` subtracts the walk from a dual class whose weights are those of the class with the other sign, so that
 * what speaks for all classes alike vanishes (§3.3); such maps add up to about 0 and have no certificate.
 *
 * It is the z⁺ rule without biases from a relevance of 1; negative inputs count through negative weights.
 *
 * @example
 * await attribute(classifier, { images, method: excitationBackprop({ contrastive: true }), layer: 'relu3' });
 */
export const excitationBackprop = ({
  contrastive = false,
}: {
  /** Default false. */
  contrastive?: boolean;
} = {}): ExcitationBackprop => ({ name: 'excitation-backprop', contrastive });

export const excitationBackpropPass = ({ contrastive }: ExcitationBackprop, { classifier }: Task): OnePass => {
  const walk = zPlusRule({ bias: 'ignored', stabiliser: { epsilon: 0 } });
  // The walk by weights −w follows what inhibits the class: α = β = 1 is the difference of both.
  const difference = alphaBetaRule({ alpha: 1, beta: 1, bias: 'ignored', stabiliser: { epsilon: 0 } });
  const composite = {
    convolution: walk,
    dense: walk,
    other: epsilonRule({ bias: 'ignored' }),
    ...(contrastive && { last: difference }),
  };
  return relevancePass({
    name: 'excitation-backprop',
    key: `excitation backprop ${contrastive}`,
    classifier,
    assignment: { composite, operators: {}, nodes: new Map() },
    initial: 'one',
    conserved: !contrastive,
  });
};
