/** An error as SageMaker's clients see it: `__type`, `Message`, and the HTTP status. */
export class SageMakerError extends Error {
  override readonly name = 'SageMakerError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export function validationException(message: string): SageMakerError {
  return new SageMakerError('ValidationException', message);
}

/** In the words of SageMaker's request validation; `problems` read `Value 'x' at 'member' failed to satisfy constraint: …`. */
export function constraintsNotSatisfied(problems: readonly string[]): SageMakerError {
  const count = problems.length === 1 ? '1 validation error' : `${problems.length} validation errors`;
  return validationException(`${count} detected: ${problems.join('; ')}`);
}

export function resourceInUse(message: string): SageMakerError {
  return new SageMakerError('ResourceInUse', message);
}

export function conflictException(message: string): SageMakerError {
  return new SageMakerError('ConflictException', message);
}

export function accessDenied(message: string): SageMakerError {
  return new SageMakerError('AccessDeniedException', message);
}

export function internalFailure(): SageMakerError {
  return new SageMakerError('InternalFailure', 'The request processing has failed because of an unknown error.', 500);
}

/** Something SageMaker has and this server has not: never answered as if it had been done. */
export function notImplemented(what: string): SageMakerError {
  return new SageMakerError('NotImplementedByFlywheelLocal', `${what} that SageMaker local does not implement.`, 501);
}
