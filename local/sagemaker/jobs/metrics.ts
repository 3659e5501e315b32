export interface MetricDefinition {
  readonly Name: string;
  readonly Regex: string;
}

export interface MetricData {
  readonly MetricName: string;
  readonly Value: number;
  /** Epoch seconds. */
  readonly Timestamp: number;
}

/** Finds metrics in a job's log as its MetricDefinitions say: capture group 1 of each line that matches is a value. */
export class MetricReader {
  readonly #expressions: readonly { readonly name: string; readonly expression: RegExp }[];
  readonly #last = new Map<string, MetricData>();

  /** @throws SyntaxError when a Regex is not a regular expression */
  constructor(definitions: readonly MetricDefinition[]) {
    this.#expressions = definitions.map(({ Name, Regex }) => ({ name: Name, expression: new RegExp(Regex) }));
  }

  /** @param seconds time of the line, epoch seconds */
  read(line: string, seconds: number): void {
    for (const { name, expression } of this.#expressions) {
      const value = Number.parseFloat(expression.exec(line)?.[1] ?? '');
      if (Number.isFinite(value)) this.#last.set(name, { MetricName: name, Value: value, Timestamp: seconds });
    }
  }

  /** FinalMetricDataList: the last value of every metric that was seen. */
  finalValues(): MetricData[] {
    return [...this.#last.values()];
  }
}
