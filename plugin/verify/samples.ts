/** The little of Prometheus' text format that is needed here: names, one label, values. Pure. */
export class Samples {
  readonly #values: readonly { readonly name: string; readonly labels: string; readonly value: number }[];

  constructor(values: Samples['values']) {
    this.#values = values;
  }

  get values(): readonly { readonly name: string; readonly labels: string; readonly value: number }[] {
    return this.#values;
  }

  /** undefined: there is no such metric. */
  get(name: string, label = ''): number | undefined {
    return this.#values.find((sample) => sample.name === name && sample.labels.includes(label))?.value;
  }
}

/** Longer answers are cut: a node has a few hundred samples. */
const linesMax = 10_000;

export function parseSamples(text: string): Samples {
  const values = text.split('\n', linesMax).flatMap((line) => {
    const found = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? ([^ ]+)/.exec(line);
    return found ? [{ name: found[1]!, labels: found[2] ?? '', value: Number(found[3]) }] : [];
  });
  return new Samples(values);
}
