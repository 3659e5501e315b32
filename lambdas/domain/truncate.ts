/** A text that anybody wrote, in a sentence or a record: of a long one the beginning, with a sign that it goes on. */
export function truncate(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters)}…` : text;
}
