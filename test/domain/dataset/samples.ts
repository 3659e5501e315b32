/** Samples for the dataset tests: texts that rows were written to, ways to cut them, settings, uploads in memory. */
import * as fc from 'fast-check';

/** A row as CSV: `quote` decides for fields that need no quotes. Lines are those at which the rows start. */
export function csvText(
  rows: readonly (readonly string[])[],
  quote: (row: number, field: number) => boolean = () => false,
  lineEnd: (row: number) => string = () => '\n',
): { text: string; lines: number[] } {
  let text = '';
  const lines: number[] = [];
  rows.forEach((fields, row) => {
    lines.push(text.split('\n').length);
    const written = fields.map((field, index) =>
      /[",\r\n]/.test(field) || quote(row, index) ? `"${field.replaceAll('"', '""')}"` : field,
    );
    // An empty line is no row: a row of one empty field is written with quotes.
    text += (written.join(',') || '""') + lineEnd(row);
  });
  return { text, lines };
}

const field = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'ü', '😀', 'x'), maxLength: 6 }),
);

export const csvTexts = fc
  .record({
    rows: fc
      .integer({ min: 1, max: 4 })
      .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { maxLength: 8 })),
    quotes: fc.infiniteStream(fc.boolean()),
    lineEnds: fc.infiniteStream(fc.constantFrom('\n', '\r\n')),
  })
  .map(({ rows, quotes, lineEnds }) => ({
    rows,
    ...csvText(
      rows,
      () => quotes.next().value,
      () => lineEnds.next().value,
    ),
  }));

/** Cuts a text, or bytes, into pieces at random places. */
export const cuts = fc.array(fc.nat(1_000_000), { maxLength: 12 }).map((places) => {
  return function cut<T extends { length: number; slice(start: number, end?: number): T }>(whole: T): T[] {
    const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b);
    return [0, ...sorted].map((start, index) => whole.slice(start, sorted[index] ?? whole.length));
  };
});
