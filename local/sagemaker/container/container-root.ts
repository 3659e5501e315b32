/** `/opt/ml` and the folder of this machine that stands in for it, in the words of commands and environments. */

export const officialRoot = '/opt/ml';

// '/opt/ml' counts only as a whole path prefix: '/opt/mlflow' and '/srv/opt/ml' are other folders.
const inWord = /(^|[=:,])\/opt\/ml(?=$|[/:,])/g;
const inScript = /(^|[\s"'`=:,;|&<>(){}])\/opt\/ml(?=$|[/\s"'`:,;|&<>(){}])/g;
const shell = /(^|\/)(ba|da|z)?sh$/;

/**
 * Replaces `/opt/ml` by the folder that stands in for it: at the start of a word and after `=`, `:` or `,`
 * (`--dir=/opt/ml/model`, a search path), which covers arguments and environment values.
 */
export function rewriteWord(word: string, root: string): string {
  return word.includes(officialRoot) ? word.replaceAll(inWord, (_, before: string) => before + root) : word;
}

/** The words of a command for a container whose `/opt/ml` is `root`; the script of a `bash -c` is rewritten inside as well. */
export function rewriteCommand(argv: readonly string[], root: string): string[] {
  const command = argv[0];
  const scriptAt = command !== undefined && shell.test(command) ? argv.findIndex(isScriptOption) + 1 : 0;
  return argv.map((word, index) =>
    scriptAt > 0 && index === scriptAt
      ? word.replaceAll(inScript, (_, before: string) => before + root)
      : rewriteWord(word, root),
  );
}

/** The values of an environment for a container whose `/opt/ml` is `root`. */
export function rewriteEnvironment(
  environment: Readonly<Record<string, string>>,
  root: string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, rewriteWord(value, root)]));
}

/** The other way round: a container that has an `/opt/ml` of its own finds the folder `root` there. */
export function officialWord(word: string, root: string): string {
  if (!word.includes(root)) return word;
  // Not '/jobs/algo-10' for the root '/jobs/algo-1'.
  const escaped = root.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return word.replaceAll(new RegExp(`${escaped}(?![\\w.-])`, 'g'), officialRoot);
}

/** `-c`, also inside a cluster such as `-lc`. */
function isScriptOption(word: string): boolean {
  return /^-[a-z]*c$/.test(word);
}
