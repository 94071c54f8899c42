const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const redrawMs = 120;
const heartbeatMs = 15_000;

/** What of a terminal or a log file is used; `process.stderr` fits. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Step {
  /** Says what the step is busy with, e.g. "kubelet (4 of 7)". */
  detail(text: string): void;
}

interface RunningStep {
  title: string;
  detail: string;
  startMs: number;
}

/**
 * Tells whoever waits what is going on and for how long.
 * On a terminal: one live line naming every running step. In a log: a line when a step starts, one every 15 s, one when
 * it ends. Steps may overlap.
 */
export class Progress {
  readonly #out: Output;
  readonly #now: () => number;
  readonly #running = new Set<RunningStep>();
  #timer: NodeJS.Timeout | undefined;
  #frame = 0;

  constructor(out: Output, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
  }

  /** Runs `work` as a step named `title`. A failure is marked as such and thrown on. */
  async step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
    const step: RunningStep = { title, detail: '', startMs: this.#now() };
    this.#begin(step);
    try {
      const result = await work({
        detail: (text) => {
          step.detail = text;
        },
      });
      this.#end(step, 'done');
      return result;
    } catch (error) {
      this.#end(step, 'FAILED');
      throw error;
    }
  }

  /** Prints a line of its own, above the live line. */
  say(line: string): void {
    this.#clear();
    this.#out.write(`${line}\n`);
    this.#draw();
  }

  #begin(step: RunningStep): void {
    this.#running.add(step);
    if (!this.#out.isTTY) this.#out.write(`  ...     ${step.title}\n`);
    this.#timer ??= setInterval(() => this.#tick(), this.#out.isTTY ? redrawMs : heartbeatMs);
    this.#draw();
  }

  #end(step: RunningStep, outcome: string): void {
    this.#running.delete(step);
    this.say(`  ${outcome.padEnd(8)}${step.title}  ${elapsed(this.#now() - step.startMs)}`);
    if (this.#running.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#frame += 1;
    if (this.#out.isTTY) return this.#draw();
    for (const step of this.#running) this.#out.write(`  ...     ${this.#describe(step)}\n`);
  }

  #draw(): void {
    if (!this.#out.isTTY || this.#running.size === 0) return;
    const line = `  ${frames[this.#frame % frames.length]}  ${[...this.#running].map((s) => this.#describe(s)).join('  |  ')}`;
    this.#out.write(`\r\x1b[K${line.slice(0, (this.#out.columns ?? 80) - 1)}`);
  }

  #clear(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K');
  }

  #describe(step: RunningStep): string {
    const detail = step.detail === '' ? '' : `: ${step.detail}`;
    return `${step.title}${detail}  ${elapsed(this.#now() - step.startMs)}`;
  }
}

/** A duration as a person reads it: "4.2 s", "3 min 20 s". */
export function elapsed(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
