const officialRoot = '/opt/ml';

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

/** `-c`, also inside a cluster such as `-lc`. */
function isScriptOption(word: string): boolean {
  return /^-[a-z]*c$/.test(word);
}
