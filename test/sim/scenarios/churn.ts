import { MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { Allocation, type Line, type Place } from '../../../nodes/mix/allocation.ts';
import { Circuits } from '../../../nodes/mix/circuits.ts';
import { Session as MixSession } from '../../../nodes/mix/session.ts';
import { ATTACHMENTS_MAX, CIRCUITS_MAX, TICK_US } from '../../../nodes/wire/constants.ts';
import { type Timed, TimeHeap } from '../heap.ts';
import { SeededRandom } from '../random.ts';
import { Checker, type Scenario } from '../scenario.ts';

/**
 * A day of a zone by events: who is attached where, who calls whom, which superpeer is dead, which mix or rendezvous
 * restarts or drains. The channels are given, and the half-circuits kept, by the mixes' own code; clients are what they are
 * told, and do it; a rendezvous keeps what it is asked for until it is told that it is over.
 */
const MINUTE_US = 60 * SECOND_US;
const HOUR_US = 60 * MINUTE_US;
const ATTACHMENTS = 3;
const SLOTS = 20;
const MIXES = 4;
const CHANNELS_PER_SUPERPEER = 5;
/** Room to move: slots per client that would be attached everywhere. */
const SPARE = 1.15;
/** Calls that a client places in a day, and by hour what part of them (network.md 4). */
const CALLS_PER_DAY = 1.7;
const DIURNAL = [
  0.25, 0.15, 0.1, 0.08, 0.08, 0.12, 0.3, 0.65, 1, 1.25, 1.4, 1.5, 1.5, 1.4, 1.4, 1.45, 1.55, 1.75, 1.9, 1.9, 1.7, 1.35,
  0.9, 0.5,
];
const START_HOUR = 12;
/** Of a call: median and spread of the lognormal law, mean 3.5 minutes (network.md 4). */
const DURATION = { medianS: 65, sigma: 1.53, leastS: 1, mostS: 4 * 3600 };
const ONLINE_MEAN_US = 5 * HOUR_US;
const OFFLINE_MEAN_US = HOUR_US;
const SUPERPEER_LIFE_MEAN_US = 30 * HOUR_US;
const RENDEZVOUS = 3;
const RENDEZVOUS_LIFE_MEAN_US = 8 * HOUR_US;
/** From CREATE to CREATED, and from DESTROY to its answer. */
const ROUND_TRIP_US = 50 * MILLISECOND_US;
/** Within it a client makes a circuit anew, and within as long everybody has heard of a restart. */
const RENEW_US = 3 * SECOND_US;
/** A rendezvous that drains is empty by then: the news, one circuit of each client after the other, and their overlap. */
const EMPTIED_US = MINUTE_US;
/** One is told of in a tick, and a mix may have to tell of all that it has. */
const TOLD_US = 5 * MINUTE_US;
const SUPERPEER_DOWN_US = 10 * MINUTE_US;
const MIX_LIFE_MEAN_US = 8 * HOUR_US;
const NOT_TAKEN_SHARE = 0.2;
const RING_US = 30 * SECOND_US;
/** What a client needs to hear that it may speak, or may not any more. */
const HEARS_US = 60 * MILLISECOND_US;
/** The step of time while nobody moves, drains or waits, and nothing is silent that was not before. */
const CALM_US = 240 * MILLISECOND_US;
const CHECK_US = MINUTE_US;
/** Who wants nothing has nothing after the drain of a call, or the end of a reservation. */
const LEAK_US = 6 * SECOND_US;

interface Event extends Timed {
  readonly action: () => void;
}

class Superpeer {
  /** Since when it has been dead. */
  deadSince: Micros | undefined;
}

class Channel {
  readonly superpeer: Superpeer;
  readonly site: Site;
  line: Line;
  taken = 0;

  constructor(superpeer: Superpeer, site: Site, line: Line) {
    this.superpeer = superpeer;
    this.site = site;
    this.line = line;
  }
}

class Rendezvous {
  readonly tag: string;
  boot = 0;
  drainsSince: Micros | undefined;
  /** By mix: what its processes have asked for. */
  readonly circuits = new Map<Site, Set<number>>();

  constructor(tag: string) {
    this.tag = tag;
  }

  of(site: Site): Set<number> {
    const known = this.circuits.get(site) ?? new Set();
    this.circuits.set(site, known);
    return known;
  }
}

/** A mix. */
class Site {
  allocation: Allocation;
  circuits = new Circuits();
  /** Of the next circuit; larger than those of the processes before. */
  nextCircuit = 1;
  readonly channels: Channel[] = [];
  isDraining = false;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.allocation = this.#newAllocation();
  }

  #newAllocation(): Allocation {
    return new Allocation({ mode: 'augment', random: () => this.#random.next(), changed: () => {} });
  }

  /** Another process, which knows nothing. */
  restart(): void {
    this.allocation = this.#newAllocation();
    this.circuits = new Circuits();
    for (const channel of this.channels) {
      channel.line = this.allocation.newLine(this.channels.indexOf(channel));
      channel.taken = 0;
    }
  }
}

/** An attachment: packets come over it for as long as its superpeer lives. */
class Attached implements Place {
  readonly line: Line;
  readonly channel: Channel;
  hears = true;
  readonly #day: { readonly now: Micros };

  constructor(day: { readonly now: Micros }, channel: Channel) {
    this.#day = day;
    this.channel = channel;
    this.line = channel.line;
  }

  get heardAt(): Micros {
    return this.channel.superpeer.deadSince ?? this.#day.now;
  }
}

/** A client's session with a mix. */
class Session {
  readonly held = new MixSession(0, '');
  readonly party = this.held.party;
  readonly site: Site;
  readonly allocation: Allocation;
  readonly attached: (Attached | undefined)[] = [];

  constructor(site: Site) {
    this.site = site;
    this.allocation = site.allocation;
  }

  /** The number of the attachment's circuit that stands to one of these rendezvous. */
  circuitOf(attachment: number, to: readonly Rendezvous[]): number | undefined {
    return [attachment, attachment + ATTACHMENTS_MAX].find((number) => {
      const circuit = this.held.circuits[number];
      return circuit?.stands && to.some(({ tag }) => tag === circuit.rendezvousTag);
    });
  }
}

interface Member {
  /** Place of its first choice among the rendezvous. */
  readonly choice: number;
  isOnline: boolean;
  /** The newest last. None while offline, or for a moment after its mix has died. */
  sessions: Session[];
  call: Call | undefined;
  /** Since when it has wanted no channel. */
  idleSince: Micros;
}

interface Call {
  readonly caller: Member;
  readonly callee: Member;
  /** Until then the callee is rung. */
  readonly until: Micros;
  answered: boolean;
  /** Since when one of the two has had no channel. */
  cutSince: Micros | undefined;
}

class Day {
  now: Micros = 0;
  readonly facts = {
    calls: 0,
    blocked: 0,
    notTaken: 0,
    cut: 0,
    superpeerDeaths: 0,
    restarts: 0,
    drains: 0,
    rendezvousRestarts: 0,
    rendezvousDrains: 0,
    mostHeld: 0,
    circuits: 0,
    mostCircuits: 0,
    steps: 0,
  };
  readonly #random: SeededRandom;
  readonly #check: Checker;
  readonly #pace: number;
  readonly #events = new TimeHeap<Event>();
  readonly #superpeers: Superpeer[];
  readonly #sites: Site[];
  readonly #rendezvous = Array.from({ length: RENDEZVOUS }, (_, index) => new Rendezvous(`${index}`));
  readonly #members: Member[];
  readonly #calls = new Set<Call>();
  #order = 0;
  /** Until then something may be moving that nothing shows: a superpeer has just died. */
  #restlessUntil: Micros = 0;
  #isOver = false;

  /** `pace`: how many times as often as on an ordinary day calls are placed, and clients, superpeers and mixes come and go. */
  constructor(seed: string, clients: number, pace: number, check: Checker) {
    this.#pace = pace;
    this.#random = new SeededRandom(seed);
    this.#check = check;
    const channels = Math.ceil((clients * ATTACHMENTS * SPARE) / SLOTS);
    this.#superpeers = Array.from({ length: Math.ceil(channels / CHANNELS_PER_SUPERPEER) }, () => new Superpeer());
    this.#sites = Array.from({ length: MIXES }, () => new Site(this.#random));
    for (const site of this.#sites) site.circuits.follow(this.#boots(), []);
    for (let index = 0; index < channels; index += 1) {
      const site = this.#sites[index % MIXES]!;
      const line = site.allocation.newLine(site.channels.length);
      site.channels.push(new Channel(this.#superpeers[index % this.#superpeers.length]!, site, line));
    }
    this.#members = Array.from({ length: clients }, (_, index) => ({
      choice: index % RENDEZVOUS,
      isOnline: false,
      sessions: [],
      call: undefined,
      idleSince: 0,
    }));
    for (const member of this.#members)
      this.#comeAndGo(member, this.#random.next() < ONLINE_MEAN_US / (ONLINE_MEAN_US + OFFLINE_MEAN_US));
    for (const superpeer of this.#superpeers)
      this.#after(this.#life(SUPERPEER_LIFE_MEAN_US), () => this.#dies(superpeer));
    for (const site of this.#sites) this.#after(this.#life(MIX_LIFE_MEAN_US), () => this.#disturb(site));
    for (const rendezvous of this.#rendezvous)
      this.#after(this.#life(RENDEZVOUS_LIFE_MEAN_US), () => this.#shake(rendezvous));
    this.#nextCall();
    this.#after(CHECK_US, () => this.#checkAll());
  }

  run(minutes: number): void {
    this.#runUntil(minutes * MINUTE_US);
    this.#isOver = true;
    for (const call of [...this.#calls]) this.#end(call);
    // Whoever still moves to another mix has done so by then.
    this.#runUntil(this.now + 2 * MINUTE_US);
    this.#endSpare();
    this.#runUntil(this.now + TOLD_US);
    this.#checkRest();
    this.#checkCircuits();
    for (const member of this.#members) this.#leaveAll(member);
    this.#runUntil(this.now + LEAK_US);
    this.#checkRest();
    this.#runUntil(this.now + TOLD_US);
    this.#checkCircuits();
    for (const rendezvous of this.#rendezvous)
      this.#check.expect(this.#circuitsOf(rendezvous) === 0, 'a rendezvous has circuits when everybody has gone');
    for (const site of this.#sites) {
      const taken = site.channels.reduce((sum, channel) => sum + channel.taken, 0);
      this.#check.expect(taken === 0, `${taken} places are taken when everybody has gone`);
    }
  }

  #runUntil(end: Micros): void {
    while (this.now < end) {
      const stepUs = this.#isCalm() ? CALM_US : TICK_US;
      const next = Math.min(end, this.now + stepUs);
      for (let event = this.#events.peek(); event && event.at <= next; event = this.#events.peek()) {
        this.#events.pop();
        this.now = Math.max(this.now, event.at);
        event.action();
      }
      this.now = next;
      this.#step();
      for (let tick = 0; tick < stepUs / TICK_US; tick += 1) for (const site of this.#sites) this.#tell(site);
    }
  }

  // Time

  #after(us: Micros, action: () => void): void {
    this.#events.push({ at: this.now + us, order: this.#order++, action });
  }

  #exponential(mean: Micros): Micros {
    return -mean * Math.log(1 - this.#random.next());
  }

  #life(mean: Micros): Micros {
    return this.#exponential(mean / this.#pace);
  }

  #isCalm(): boolean {
    if (this.now < this.#restlessUntil) return false;
    for (const { allocation } of this.#sites) if (allocation.draining > 0) return false;
    for (const member of this.#busy()) {
      for (const { party } of member.sessions)
        if (party.hold.kind === 'waiting' || (party.hold.kind === 'holding' && party.hold.moving)) return false;
    }
    return true;
  }

  *#busy(): Generator<Member> {
    for (const { caller, callee } of this.#calls) {
      yield caller;
      if (callee.call?.caller === caller) yield callee;
    }
  }

  /** What the clients in calls send, what they are told, and the rounds of channels that drain. */
  #step(): void {
    this.facts.steps += 1;
    for (const member of this.#busy()) for (const session of member.sessions) this.#speak(session);
    for (const site of this.#sites) {
      if (site.allocation.draining > 0)
        for (const { line, superpeer } of site.channels) this.#drain(site, line, superpeer);
      site.allocation.tick(this.now);
    }
    for (const call of this.#calls) this.#watch(call);
  }

  #speak({ party, site, allocation }: Session): void {
    if (allocation !== site.allocation) return;
    allocation.want(this.now, party, true);
    const { hold } = party;
    if (hold.kind !== 'holding') return;
    const { line, moving } = hold;
    const lives = (of: Line) => party.places.some((place) => place?.line === of && this.now - place.heardAt < TICK_US);
    if (lives(line)) allocation.spoke(this.now, party, line);
    if (moving && this.now - moving.since >= HEARS_US && lives(moving.to)) allocation.spoke(this.now, party, moving.to);
  }

  #drain({ allocation }: Site, line: Line, { deadSince }: Superpeer): void {
    const { use } = line;
    if (use.kind !== 'draining' || deadSince !== undefined) return;
    const spoken = this.now - use.since < HEARS_US && use.by.places.some((place) => place?.line === line);
    if (spoken) allocation.spoke(this.now, use.by, line);
    allocation.round(this.now, line, spoken);
  }

  // Coming and going

  #comeAndGo(member: Member, isOnline: boolean): void {
    if (this.#isOver) return;
    member.isOnline = isOnline;
    if (isOnline) this.#join(member, this.#pickSite());
    else this.#leaveAll(member);
    this.#after(this.#life(isOnline ? ONLINE_MEAN_US : OFFLINE_MEAN_US), () => this.#comeAndGo(member, !isOnline));
  }

  #pickSite(): Site {
    const open = this.#sites.filter(({ isDraining }) => !isDraining);
    return this.#random.pick(open);
  }

  #join(member: Member, site: Site): void {
    const session = new Session(site);
    member.sessions.push(session);
    for (let number = 0; number < ATTACHMENTS; number += 1)
      this.#after(number * 300 * MILLISECOND_US, () => this.#attach(member, session, number));
  }

  #isLive(member: Member, session: Session): boolean {
    return member.sessions.includes(session) && session.allocation === session.site.allocation;
  }

  /** On a channel of a superpeer that the client is not on yet, if one that is tried has room; else again soon. */
  #attach(member: Member, session: Session, number: number): void {
    if (!this.#isLive(member, session)) return;
    this.#detach(session, number);
    const used = new Set(session.attached.map((place) => place?.channel.superpeer));
    const channel = this.#random.pick(session.site.channels);
    const { superpeer } = channel;
    if (channel.taken === SLOTS || used.has(superpeer) || superpeer.deadSince !== undefined)
      return this.#after(SECOND_US, () => this.#attach(member, session, number));
    channel.taken += 1;
    const place = new Attached(this, channel);
    session.attached[number] = place;
    session.party.places[number] = place;
    this.#ask(member, session, number, number);
  }

  /** What Mix does with an attachment that has fallen silent, or that another takes the place of. */
  #detach(session: Session, number: number): void {
    const place = session.attached[number];
    if (!place) return;
    session.allocation.leave(this.now, session.party, number);
    session.attached[number] = undefined;
    place.channel.taken -= 1;
  }

  /** What Mix does with a session that has ended. */
  #leave(member: Member, session: Session): void {
    member.sessions = member.sessions.filter((one) => one !== session);
    if (session.allocation !== session.site.allocation) return;
    for (const number of session.attached.keys()) this.#detach(session, number);
    session.site.circuits.release(session.held);
    session.allocation.release(this.now, session.party);
    session.allocation.want(this.now, session.party, false);
  }

  #leaveAll(member: Member): void {
    if (member.call) this.#end(member.call);
    for (const session of [...member.sessions]) this.#leave(member, session);
  }

  // What dies

  #dies(superpeer: Superpeer): void {
    if (this.#isOver) return;
    this.facts.superpeerDeaths += 1;
    superpeer.deadSince = this.now;
    this.#restlessUntil = this.now + 2 * SECOND_US;
    const since = this.now;
    for (const member of this.#members) {
      for (const session of member.sessions) {
        const number = session.attached.findIndex((place) => place?.channel.superpeer === superpeer);
        if (number < 0) continue;
        const place = session.attached[number];
        // The mix gives it up after ten seconds, the client after three and makes another after 1 to 30.
        this.#after(10 * SECOND_US, () => {
          if (this.#isLive(member, session) && session.attached[number] === place) this.#detach(session, number);
        });
        this.#after((4 + this.#random.below(30)) * SECOND_US, () => this.#attach(member, session, number));
      }
    }
    this.#after(SUPERPEER_DOWN_US, () => {
      if (superpeer.deadSince === since) superpeer.deadSince = undefined;
      this.#after(this.#life(SUPERPEER_LIFE_MEAN_US), () => this.#dies(superpeer));
    });
  }

  /** A mix dies and comes back, or is emptied beforehand. */
  #disturb(site: Site): void {
    if (this.#isOver) return;
    // One at a time is emptied, and none is killed meanwhile.
    if (!this.#sites.some(({ isDraining }) => isDraining)) {
      if (this.#random.next() < 0.5) this.#restart(site);
      else this.#empty(site);
    }
    this.#after(this.#life(MIX_LIFE_MEAN_US), () => this.#disturb(site));
  }

  #restart(site: Site): void {
    this.facts.restarts += 1;
    site.restart();
    site.circuits.follow(this.#boots(), []);
    // The rendezvous forget what the process before has opened.
    const opened = site.nextCircuit;
    this.#after(this.#random.below(RENEW_US), () => {
      for (const rendezvous of this.#rendezvous)
        for (const id of rendezvous.of(site)) if (id < opened) rendezvous.of(site).delete(id);
    });
    for (const member of this.#members) {
      const lost = member.sessions.find((session) => session.site === site);
      if (!lost) continue;
      this.#leave(member, lost);
      // Its superpeers say that the mix is silent after half a second.
      this.#after((500 + this.#random.below(500)) * MILLISECOND_US, () => {
        if (member.isOnline && member.sessions.length === 0) this.#join(member, this.#pickSite());
      });
    }
  }

  #empty(site: Site): void {
    this.facts.drains += 1;
    site.isDraining = true;
    for (const member of this.#members) {
      const session = member.sessions.find((one) => one.site === site);
      if (!session) continue;
      this.#after(this.#random.below(10_000) * MILLISECOND_US, () => {
        if (!this.#isLive(member, session)) return;
        this.#join(member, this.#pickSite());
        // Both for as long as what is under way takes.
        this.#after(2 * SECOND_US, () => this.#leave(member, session));
      });
    }
    this.#after(MINUTE_US, () => {
      const { held, draining } = site.allocation;
      this.#check.expect(held + draining === 0, `a mix that all have left holds ${held} lines, ${draining} drain`);
      const taken = site.channels.reduce((sum, channel) => sum + channel.taken, 0);
      this.#check.expect(taken === 0, `${taken} places are taken at a mix that all have left`);
      site.isDraining = false;
    });
  }

  // Half-circuits

  #boots(): Map<string, number> {
    return new Map(this.#rendezvous.map(({ tag, boot }) => [tag, boot]));
  }

  /** The two that an attachment's circuit leads to by its number; none that drains. */
  #choiceOf({ choice }: Member, attachment: number): Rendezvous {
    const ranked = this.#rendezvous.map((_, index) => this.#rendezvous[(choice + index) % RENDEZVOUS]!);
    return ranked.filter(({ drainsSince }) => drainsSince === undefined)[attachment % 2]!;
  }

  #ask(member: Member, session: Session, attachment: number, number: number): void {
    const { site } = session;
    const { circuits } = site;
    const rendezvous = this.#choiceOf(member, attachment);
    const { tag, boot } = rendezvous;
    const id = site.nextCircuit++;
    rendezvous.of(site).add(id);
    this.#after(ROUND_TRIP_US, () => {
      if (site.circuits !== circuits) return;
      const isWanted = this.#isLive(member, session) && session.attached[attachment] !== undefined;
      // Of a process that is no more there is no answer, and the mix does not wait for ever.
      if (!isWanted || rendezvous.boot !== boot) {
        circuits.end(tag, id);
        if (isWanted) this.#renew(member, session, attachment);
        return;
      }
      this.facts.circuits += 1;
      circuits.take(this.now, session.held, number, tag, id);
    });
  }

  /** What a client does about a circuit that does not stand or leads to where it is not to stay. */
  #renew(member: Member, session: Session, attachment: number): void {
    this.#after(this.#random.below(RENEW_US), () => {
      if (!this.#isLive(member, session) || !session.attached[attachment]) return;
      if (session.circuitOf(attachment, [this.#choiceOf(member, attachment)]) !== undefined) return;
      const present = session.circuitOf(attachment, this.#rendezvous) ?? attachment;
      this.#ask(member, session, attachment, (present + ATTACHMENTS_MAX) % CIRCUITS_MAX);
    });
  }

  #renewAll(): void {
    for (const member of this.#members)
      for (const session of member.sessions)
        for (const attachment of session.attached.keys()) this.#renew(member, session, attachment);
  }

  #tell(site: Site): void {
    const { circuits } = site;
    const over = circuits.tell(this.now, () => true);
    if (!over) return;
    this.#rendezvous[Number(over.tag)]!.of(site).delete(over.id);
    this.#after(ROUND_TRIP_US, () => circuits.lost(over.tag, over.id));
  }

  #endSpare(): void {
    const draining = this.#rendezvous.filter(({ drainsSince }) => drainsSince !== undefined);
    const drainsSince = new Map(draining.map(({ tag, drainsSince: since }) => [tag, since!]));
    for (const { sessions } of this.#members) {
      for (const { held, site, allocation } of sessions)
        if (allocation === site.allocation) site.circuits.endSpare(this.now, held, drainsSince);
    }
  }

  #circuitsOf(rendezvous: Rendezvous): number {
    return this.#sites.reduce((sum, site) => sum + rendezvous.of(site).size, 0);
  }

  /** A rendezvous dies and comes back, or is emptied beforehand: one at a time. */
  #shake(rendezvous: Rendezvous): void {
    if (this.#isOver) return;
    if (this.#rendezvous.every(({ drainsSince }) => drainsSince === undefined)) {
      if (this.#random.next() < 0.5) this.#restartRendezvous(rendezvous);
      else this.#emptyRendezvous(rendezvous);
    }
    this.#after(this.#life(RENDEZVOUS_LIFE_MEAN_US), () => this.#shake(rendezvous));
  }

  #restartRendezvous(rendezvous: Rendezvous): void {
    this.facts.rendezvousRestarts += 1;
    rendezvous.boot += 1;
    rendezvous.circuits.clear();
    for (const site of this.#sites) {
      this.#after(this.#random.below(RENEW_US), () => {
        const sessions = this.#members.flatMap((member) => member.sessions);
        site.circuits.follow(
          this.#boots(),
          sessions.filter((session) => session.allocation === site.allocation).map(({ held }) => held),
        );
      });
    }
    this.#after(RENEW_US, () => this.#renewAll());
  }

  #emptyRendezvous(rendezvous: Rendezvous): void {
    this.facts.rendezvousDrains += 1;
    rendezvous.drainsSince = this.now;
    this.#renewAll();
    // The mixes look in every tick; for those that nobody waits for once in a minute will do.
    for (let us = SECOND_US; us < EMPTIED_US; us += SECOND_US) this.#after(us, () => this.#endSpare());
    this.#after(EMPTIED_US + TOLD_US, () => {
      const left = this.#circuitsOf(rendezvous);
      this.#check.expect(left === 0, `${left} circuits at a rendezvous that everybody has left`);
      rendezvous.drainsSince = undefined;
      this.#renewAll();
    });
  }

  // Calls

  #nextCall(): void {
    const hour = Math.floor(START_HOUR + this.now / HOUR_US) % 24;
    const perDay = this.#pace * CALLS_PER_DAY * this.#members.length * DIURNAL[hour]!;
    this.#after(this.#exponential((24 * HOUR_US) / perDay), () => {
      if (this.#isOver) return;
      this.#place();
      this.#nextCall();
    });
  }

  #place(): void {
    const [caller, callee] = [this.#random.pick(this.#members), this.#random.pick(this.#members)];
    if (caller === callee || caller.call || caller.sessions.length === 0) return;
    this.facts.calls += 1;
    const call: Call = { caller, callee, until: this.now + RING_US, answered: false, cutSince: undefined };
    caller.call = call;
    this.#calls.add(call);
  }

  #watch(call: Call): void {
    const { caller, callee } = call;
    const kinds = caller.sessions.map(({ party }) => party.hold.kind);
    if (!call.answered) {
      if (kinds.includes('refused') && !kinds.includes('holding')) {
        this.facts.blocked += 1;
        return this.#end(call);
      }
      if (this.now > call.until) {
        this.facts.notTaken += 1;
        return this.#end(call);
      }
      if (kinds.includes('holding')) this.#ring(call);
      return;
    }
    const isCut = [caller, callee].some(({ sessions }) => !sessions.some(({ party }) => party.hold.kind === 'holding'));
    call.cutSince = isCut ? (call.cutSince ?? this.now) : undefined;
    if (call.cutSince === undefined || this.now - call.cutSince < 10 * SECOND_US) return;
    this.facts.cut += 1;
    this.#end(call);
  }

  /** The callee's mix finds a channel for the RING; then the callee wants one itself. */
  #ring(call: Call): void {
    const { callee } = call;
    if (callee.call && callee.call !== call) return;
    const session = callee.sessions.at(-1);
    if (!session || session.allocation !== session.site.allocation) return;
    const line = session.allocation.reserve(this.now, session.party);
    if (!line || callee.call) return;
    callee.call = call;
    if (this.#random.next() < NOT_TAKEN_SHARE) return;
    this.#after((1 + this.#random.below(8)) * SECOND_US, () => {
      if (!this.#calls.has(call)) return;
      call.answered = true;
      const { medianS, sigma, leastS, mostS } = DURATION;
      const normal = Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next());
      const seconds = Math.min(mostS, Math.max(leastS, medianS * Math.exp(sigma * normal)));
      this.#after(seconds * SECOND_US, () => this.#end(call));
    });
  }

  #end(call: Call): void {
    if (!this.#calls.delete(call)) return;
    for (const member of [call.caller, call.callee]) {
      if (member.call !== call) continue;
      member.call = undefined;
      member.idleSince = this.now;
      for (const { party, allocation } of member.sessions) allocation.want(this.now, party, false);
    }
  }

  // What must hold

  #checkAll(): void {
    const holding = new Map<Allocation, number>();
    for (const member of this.#members) {
      for (const { party, allocation } of member.sessions) {
        const { hold } = party;
        if (hold.kind === 'holding') {
          holding.set(allocation, (holding.get(allocation) ?? 0) + 1);
          for (const line of [hold.line, hold.moving?.to])
            if (line)
              this.#check.expect(
                line.use.kind === 'held' && line.use.by === party,
                'a line is not whose it is said to be',
              );
        }
        if (member.call || this.now - member.idleSince < LEAK_US || hold.kind === 'none') continue;
        this.#check.expect(false, `who wants nothing is ${hold.kind}`);
      }
    }
    let held = 0;
    for (const { allocation, channels } of this.#sites) {
      this.#check.expect(allocation.held === (holding.get(allocation) ?? 0), 'a mix counts others than there are');
      held += allocation.held;
      for (const { taken } of channels) this.#check.expect(taken >= 0 && taken <= SLOTS, `${taken} places are taken`);
    }
    this.#endSpare();
    this.facts.mostHeld = Math.max(this.facts.mostHeld, held);
    const circuits = this.#sites.reduce((sum, site) => sum + site.circuits.size, 0);
    this.facts.mostCircuits = Math.max(this.facts.mostCircuits, circuits);
    if (!this.#isOver) this.#after(CHECK_US, () => this.#checkAll());
  }

  /** When nothing is under way, mixes and rendezvous have the same circuits, and all are of a session, and who is attached has one. */
  #checkCircuits(): void {
    for (const site of this.#sites) {
      const { size, ending } = site.circuits;
      const made = this.#rendezvous.reduce((sum, rendezvous) => sum + rendezvous.of(site).size, 0);
      this.#check.expect(ending === 0, `${ending} circuits are still to be ended`);
      this.#check.expect(made === size, `the rendezvous have ${made} circuits of a mix that has ${size}`);
    }
    let standing = 0;
    for (const { sessions } of this.#members) {
      for (const session of sessions) {
        standing += session.held.circuits.filter((circuit) => circuit?.stands).length;
        for (const [number, place] of session.attached.entries()) {
          const isReached = session.circuitOf(number, this.#rendezvous) !== undefined;
          this.#check.expect(!place || isReached, 'somebody is attached and has no circuit');
        }
      }
    }
    const sum = this.#sites.reduce((total, { circuits }) => total + circuits.size, 0);
    this.#check.expect(sum === standing, `the mixes have ${sum} circuits, the sessions ${standing}`);
  }

  /** When nobody calls, no line is anybody's and nobody waits. */
  #checkRest(): void {
    for (const { allocation, channels } of this.#sites) {
      const { held, draining } = allocation;
      this.#check.expect(held + draining === 0, `${held} lines are held and ${draining} drain when all is over`);
      for (const { line } of channels) {
        this.#check.expect(line.use.kind === 'free', `a line is ${line.use.kind} when all is over`);
        this.#check.expect(line.promised === undefined, 'a line is promised when all is over');
      }
    }
    for (const { sessions } of this.#members) {
      for (const { party } of sessions)
        this.#check.expect(party.hold.kind === 'none', `somebody is ${party.hold.kind} when all is over`);
    }
  }
}

const scenario = (name: string, set: Scenario['set'], minutes: number, clients: number, pace: number): Scenario => ({
  name,
  property:
    `${clients} clients come and go, call by the hours of a day, and lose superpeers, mixes and rendezvous. At no time is a line ` +
    'held by two or by somebody who wants none; a mix or rendezvous that is drained is empty; when all have hung up no line, ' +
    'promise or wish is left, every circuit that a rendezvous has is one of a session’s, and every attachment has one; when all have gone ' +
    'no place and no circuit is left, at either end. Channels and circuits are kept by the mixes’ own code, but packets are ' +
    'not simulated: a day of 10,000 clients has 10^11 of them.',
  set,
  minutes,
  run: (seed, length) => {
    const check = new Checker();
    const day = new Day(seed, clients, pace, check);
    day.run(length);
    // One of each kind is enough.
    return { violations: [...new Set(check.violations)], facts: day.facts };
  },
});

export const churn = scenario('churn', 'short', 30, 1000, 16);
export const churnDay = scenario('churn-day', 'long', 24 * 60, 10_000, 1);
