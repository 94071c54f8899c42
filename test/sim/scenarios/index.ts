import type { Scenario } from '../scenario.ts';
import { assignment } from './assignment.ts';
import { call } from './call.ts';
import { churn, churnDay } from './churn.ts';
import { churnPackets } from './churn-packets.ts';
import { clocks } from './clocks.ts';
import { contention } from './contention.ts';
import { crowd, crowdLong } from './crowd.ts';
import { dealing } from './dealing.ts';
import { directoryDown, directoryDownLong } from './directory-down.ts';
import { disorder } from './disorder.ts';
import { distinguish, distinguishAll } from './distinguish.ts';
import { drain } from './drain.ts';
import { drainRendezvous } from './drain-rendezvous.ts';
import { dropping, droppingLong, droppingSome } from './dropping.ts';
import { endings } from './endings.ts';
import { entropy, entropyLong } from './entropy.ts';
import { flood } from './flood.ts';
import { foreignZone } from './foreign-zone.ts';
import { glare, glareLong } from './glare.ts';
import { hiccup } from './hiccup.ts';
import { innocent, innocentAll, innocentLines } from './innocent.ts';
import { jamming } from './jamming.ts';
import { loss } from './loss.ts';
import { meshrates } from './meshrates.ts';
import { mixDeath } from './mix-death.ts';
import { noise } from './noise.ts';
import { observer } from './observer.ts';
import { overload } from './overload.ts';
import { presence, presenceLong } from './presence.ts';
import { quality, qualityAll, qualityMoves } from './quality.ts';
import { receipts } from './receipts.ts';
import { rendezvousDeath } from './rendezvous-death.ts';
import { replaying } from './replaying.ts';
import { ringing, ringingMany, ringingThree } from './ringing.ts';
import { roaming } from './roaming.ts';
import { rotation, rotationHour, rotationMany } from './rotation.ts';
import { shapes } from './shapes.ts';
import { superpeerDeath, superpeerDeaths } from './superpeer-death.ts';
import { tampering, tamperingAll } from './tampering.ts';
import { unseen } from './unseen.ts';
import { upgrade } from './upgrade.ts';
import { equivocation, watermark, watermarkLong } from './watermark.ts';

export const SCENARIOS: readonly Scenario[] = [
  call,
  observer,
  loss,
  noise,
  ringing,
  ringingMany,
  ringingThree,
  quality,
  qualityAll,
  qualityMoves,
  crowd,
  crowdLong,
  disorder,
  hiccup,
  contention,
  endings,
  glare,
  glareLong,
  assignment,
  shapes,
  rotation,
  rotationHour,
  rotationMany,
  meshrates,
  tampering,
  tamperingAll,
  dropping,
  droppingSome,
  droppingLong,
  replaying,
  jamming,
  innocent,
  innocentAll,
  innocentLines,
  distinguish,
  distinguishAll,
  entropy,
  entropyLong,
  equivocation,
  watermark,
  watermarkLong,
  superpeerDeath,
  superpeerDeaths,
  mixDeath,
  rendezvousDeath,
  drain,
  drainRendezvous,
  dealing,
  upgrade,
  receipts,
  ...unseen,
  directoryDown,
  directoryDownLong,
  clocks,
  roaming,
  flood,
  overload,
  foreignZone,
  presence,
  presenceLong,
  churn,
  churnDay,
  churnPackets,
];
