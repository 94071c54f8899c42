/** A Superpeer: an untrusted relay that a zone admits. This schema is the only source of the type, the defaults and the CRD. */
import { z } from 'zod';
import { conditionList } from './conditions.ts';
import {
  dateTime,
  immutable,
  type ObjectMeta,
  observedGeneration,
  type Parsed,
  parseResource,
  payment,
  publicKey,
  regionName,
  regionsNodes,
  rules,
  zoneName,
} from './fields.ts';

export const SuperpeerSpec = z
  .object({
    zoneRef: zoneName().meta({
      description: 'The Zone of this namespace that admits the superpeer.',
      ...immutable('zoneRef'),
    }),
    payment: payment('What the superpeer earns. Default: the Zone’s superpeerPayment.'),
    channels: z.int().min(1).max(64).default(1).meta({ description: 'How many channels the superpeer carries.' }),
    managed: z
      .object({
        region: regionName().meta({
          description: 'Where the pod runs.',
          ...immutable('region'),
        }),
        nodeSelector: regionsNodes(),
      })
      .optional()
      .meta({ description: 'The operator runs the superpeer as a pod.' }),
    external: z
      .object({ identityKey: publicKey().meta({ description: 'What the superpeer’s host has told of it.' }) })
      .optional()
      .meta({ description: 'Somebody else runs the superpeer. It is admitted when its condition Approved is True.' }),
  })
  .meta(
    rules({
      rule: 'has(self.managed) != has(self.external)',
      message: 'exactly one of managed and external must be set',
    }),
  );
export type SuperpeerSpec = z.infer<typeof SuperpeerSpec>;

const rounds = () => z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const receiptsMax = 8;
const receipts = () =>
  z
    .array(
      z.object({
        from: dateTime().meta({ description: 'Start of the period.' }),
        until: dateTime().meta({ description: 'Start of the next.' }),
        channels: z.int().min(1).max(64).meta({ description: 'How many channels it had at the end.' }),
        roundsExpected: rounds().meta({ description: 'Rounds that the mixes waited for.' }),
        roundsValid: rounds().meta({ description: 'Rounds that came as they should.' }),
        roundsBad: rounds().meta({ description: 'Rounds that came and could not be used.' }),
        expelled: z
          .literal(true)
          .optional()
          .meta({ description: 'A mix has found the superpeer out: it earns nothing.' }),
        payout: z.string().max(64).optional().meta({ description: 'At the rate of when the receipt was taken.' }),
      }),
    )
    .max(receiptsMax)
    .meta({
      description: 'What the zone’s directory has signed of the last periods; each counts once.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['from'],
    });
export type ReceiptState = z.infer<ReturnType<typeof receipts>>[number];

export const SuperpeerStatus = z.object({
  observedGeneration: observedGeneration(),
  conditions: conditionList(),
  identityKey: publicKey()
    .optional()
    .meta({ description: 'The key under which the zone’s directory knows the superpeer.' }),
  receipts: receipts().optional(),
  lastValid: z.string().max(8).optional().meta({ description: 'Share of the expected rounds in the last receipt.' }),
  lastPayout: z.string().max(64).optional().meta({ description: 'What the last receipt is worth.' }),
});
export type SuperpeerStatus = z.infer<typeof SuperpeerStatus>;

export interface Superpeer {
  readonly metadata: ObjectMeta;
  readonly spec: SuperpeerSpec;
  readonly status: SuperpeerStatus | undefined;
}

/** Rules over the whole object: its children bear its name, which must not be that of a zone's node. */
export const superpeerRules = rules(
  {
    rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$')",
    message: 'metadata.name must be a DNS label of at most 52 characters that starts with a letter',
  },
  {
    rule: "!self.metadata.name.matches('-(mix|rendezvous|directory)-[0-9]+$')",
    message: 'metadata.name must not end like the name of a zone’s node, such as -mix-0',
  },
);

export const parseSuperpeer = (raw: object): Parsed<Superpeer> => parseResource(raw, SuperpeerSpec, SuperpeerStatus);
