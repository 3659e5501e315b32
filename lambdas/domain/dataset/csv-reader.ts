/** Rows of CSV text: the header decides where each column stands. */
import { uploadLimits } from '../../contract/limits.ts';
import type { InspectionBudget } from './budget.ts';
import { type ColumnCheck, type Columns, columnChecks, didYouMean } from './columns.ts';
import { CsvSplitter, RecordTooLong } from './csv.ts';
import { Refusal, tooManyColumns } from './report.ts';
import { RowPass } from './row-pass.ts';
import { lineTooLong, type TextReader } from './text-blocks.ts';
import type { Read } from './values.ts';

export class CsvReader implements TextReader {
  readonly #columns: Columns;
  readonly #open: (checks: readonly ColumnCheck[]) => RowPass;
  readonly #splitter: CsvSplitter;
  #rows: CsvRows | undefined;

  constructor(columns: Columns, maximumIds: number, budget: InspectionBudget) {
    this.#columns = columns;
    this.#open = (checks) => new RowPass(checks, maximumIds, budget);
    this.#splitter = new CsvSplitter({
      record: (fields, line) => {
        if (this.#rows) this.#rows.add(fields, line);
        else this.#rows = readHeader(fields, line, this.#columns, this.#open);
      },
      broken: (line, why) => {
        if (why === 'carriage-return') throw carriageReturns(line);
        throw this.#rows ? quoting(line) : noHeader(line);
      },
    });
  }

  get line(): number {
    return this.#splitter.line;
  }

  /** Undefined until the header has been read. */
  get pass(): RowPass | undefined {
    return this.#rows?.pass;
  }

  push(text: string): void {
    if (!this.#rows && /^\s*[[{]/.test(text)) throw looksLikeJson();
    withTellableLength(() => this.#splitter.push(text));
  }

  end(): void {
    withTellableLength(() => this.#splitter.end());
  }
}

class CsvRows {
  readonly pass: RowPass;
  readonly #checks: readonly ColumnCheck[];
  readonly #positions: readonly number[];
  readonly #width: number;
  readonly #values: Read[];
  #fields: readonly string[] = [];
  readonly #rawAt = (check: number): unknown => this.#fields[this.#positions[check] ?? -1];

  constructor(checks: readonly ColumnCheck[], header: readonly string[], pass: RowPass) {
    this.pass = pass;
    this.#checks = checks;
    this.#positions = checks.map(({ name }) => header.indexOf(name));
    this.#width = header.length;
    this.#values = new Array<Read>(checks.length).fill(null);
  }

  add(fields: readonly string[], line: number): void {
    if (fields.length !== this.#width) {
      this.pass.addBrokenRow(line, 'field-count', `${this.#width} fields, as in the header`, `${fields.length}`);
      return;
    }
    this.#fields = fields;
    const [checks, positions, values] = [this.#checks, this.#positions, this.#values];
    for (let index = 0; index < checks.length; index++) {
      values[index] = checks[index]?.readText(fields[positions[index] ?? -1] ?? '');
    }
    this.pass.addRow(line, values, this.#rawAt);
  }
}

/** Columns that are missing, unexpected or there twice are logged; rows are checked by the columns that are there. */
function readHeader(
  header: readonly string[],
  line: number,
  columns: Columns,
  open: (checks: readonly ColumnCheck[]) => RowPass,
): CsvRows {
  if (header.length > uploadLimits.columns) throw tooManyColumns(header.length, line);
  if (!header.some((name) => Object.hasOwn(columns, name))) throw notAHeader(header, line, columns);
  const checks = columnChecks(columns).filter(({ name }) => header.includes(name));
  const rows = new CsvRows(checks, header, open(checks));
  checkNames(header, line, columns, rows.pass);
  return rows;
}

/** Logs what is wrong with the names of a header (CSV) or a schema (Parquet, line 0). */
export function checkNames(names: readonly string[], line: number, columns: Columns, { log }: RowPass): void {
  for (const { name, settings } of columnChecks(columns)) {
    if (names.includes(name)) continue;
    const what = settings.role === 'label' ? 'the label, which every row needs for training' : 'this column';
    log.add({ line, column: name, rule: 'missing-column', expected: `${what}, it is not there` });
  }
  names.forEach((name, index) => {
    if (!Object.hasOwn(columns, name)) {
      log.addUnexpected(line, name, () => `only columns of the project${didYouMean(name, columns)}`);
    } else if (names.indexOf(name) !== index) {
      log.add({ line, column: name, rule: 'duplicate-column', expected: 'each column once' });
    }
  });
}

/** The header names none of the columns: says what the file may be instead. */
function notAHeader(header: readonly string[], line: number, columns: Columns): Refusal {
  const text = header.join(',');
  const separator = Object.keys(separators).find((candidate) =>
    text.split(candidate).some((name) => Object.hasOwn(columns, name.trim().replaceAll('"', ''))),
  );
  if (separator !== undefined) {
    return new Refusal(
      'wrong-delimiter',
      `line ${line} is separated by ${separators[separator]}, expected commas`,
      'write the file with commas between fields and upload it again',
    );
  }
  return noHeader(line, columns);
}

/** Whatever share of bad rows is tolerated: where the next record starts, one reader sees here and another there. */
function quoting(line: number): Refusal {
  return new Refusal(
    'quoting',
    `the quotes of the record that starts in line ${line} are wrong, expected quotes around a whole field, and doubled inside it`,
    'look for a quote in that line that is never closed or stands inside of a field, and upload the file again',
  );
}

function carriageReturns(line: number): Refusal {
  return new Refusal(
    'line-ends',
    `line ${line} holds a carriage return that no line feed follows, outside of quotes`,
    'convert the line ends, for example with `mac2unix FILE`, and upload it again',
  );
}

function looksLikeJson(): Refusal {
  return new Refusal(
    'wrong-format',
    'the file looks like JSON, expected CSV with a header',
    "upload CSV, or set data.format to 'jsonl' and upload one JSON object a line",
  );
}

const separators: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', '|': 'vertical bars' };

function noHeader(line: number, columns: Columns = {}): Refusal {
  const names = Object.keys(columns).slice(0, 5).join(',');
  return new Refusal(
    'no-header',
    `line ${line} is no header: it names none of the project's columns`,
    `begin the file with the names of its columns${names && ` (${names},...)`} and upload it again`,
  );
}

function withTellableLength(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (error instanceof RecordTooLong) throw lineTooLong(error.line);
    throw error;
  }
}
