/** The few errors that change what the run time does next. */

/** What a job of a project left cannot be used, however often it is read: its code wrote it. */
export class UnusableFile extends Error {
  override readonly name = 'UnusableFile';
}

/** Another event changed what this one had read, before it could write. Reading again and deciding again settles it. */
export class ConcurrentChange extends Error {
  override readonly name = 'ConcurrentChange';
  constructor(what: string) {
    super(`${what} was changed by another event at the same moment`);
  }
}
