import { capacity } from './capacity.ts';
import { fleet } from './fleet.ts';
import { keys } from './keys.ts';
import { nodes } from './node.ts';
import { operator } from './operator.ts';
import type { Dashboard } from './panels.ts';
import { superpeers } from './superpeers.ts';
import { zone } from './zone.ts';

export const dashboards: readonly Dashboard[] = [fleet, zone, nodes, superpeers, operator, keys, capacity];
