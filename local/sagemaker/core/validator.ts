import { constraintsNotSatisfied, SageMakerError } from './errors.ts';
import { type Fields, isFields } from './fields.ts';
import type { ServiceModel, Shape } from './service-model.ts';

/**
 * Checks a request as SageMaker's front does: the JSON types first (SerializationException), then every constraint of
 * the service model, all violations in one ValidationException. Members that the model does not know are ignored.
 */
export function validateInput(model: ServiceModel, operation: string, input: Fields): void {
  const shape = model.inputOf(operation);
  if (shape === undefined) return;
  const problems = [...problemsOf(model, shape, input, '')];
  if (problems.length > 0) throw constraintsNotSatisfied(problems);
}

export function serializationException(message: string): SageMakerError {
  return new SageMakerError('SerializationException', message);
}

function* problemsOf(model: ServiceModel, shapeName: string, value: unknown, path: string): Generator<string> {
  const shape = model.shape(shapeName);
  checkType(shape, value);
  if (isFields(value)) {
    if (shape.type === 'map') yield* problemsOfMap(model, shape, value, path);
    else yield* problemsOfStructure(model, shape, value, path);
    return;
  }
  for (const constraint of violated(shape, value)) yield failed(value, path, constraint);
  const item = shape.member?.shape;
  if (Array.isArray(value) && item !== undefined) {
    for (const [index, one] of value.entries()) {
      yield* problemsOf(model, item, one, `${path}.${index + 1}.member`);
    }
  }
}

function* problemsOfStructure(model: ServiceModel, shape: Shape, value: Fields, path: string): Generator<string> {
  const at = (name: string) => (path === '' ? lowerFirst(name) : `${path}.${lowerFirst(name)}`);
  for (const name of shape.required ?? []) {
    if (isMissing(value[name])) yield failed(null, at(name), 'Member must not be null');
  }
  if (shape.union) {
    const given = Object.keys(shape.members ?? {}).filter((name) => !isMissing(value[name]));
    if (given.length !== 1) yield failed(value, path, 'Exactly one member of the union must be set');
  }
  for (const [name, member] of Object.entries(shape.members ?? {})) {
    if (!isMissing(value[name])) yield* problemsOf(model, member.shape, value[name], at(name));
  }
}

function* problemsOfMap(model: ServiceModel, shape: Shape, value: Fields, path: string): Generator<string> {
  for (const constraint of violated(shape, value)) yield failed(value, path, constraint);
  const [keyShape, valueShape] = [shape.key?.shape, shape.value?.shape];
  for (const [key, one] of Object.entries(value)) {
    if (keyShape !== undefined) {
      const broken = violated(model.shape(keyShape), key);
      if (broken.length > 0) yield failed(value, path, `Map keys must satisfy constraint: [${broken.join(', ')}]`);
    }
    if (valueShape === undefined) continue;
    const inner = model.shape(valueShape);
    checkType(inner, one);
    if (inner.type === 'structure' || inner.type === 'list' || inner.type === 'map') {
      yield* problemsOf(model, valueShape, one, `${path}.${key}.member`);
      continue;
    }
    const broken = violated(inner, one);
    if (broken.length > 0) yield failed(value, path, `Map value must satisfy constraint: [${broken.join(', ')}]`);
  }
}

/** The constraints that a value of the right type breaks, in SageMaker's words. */
function violated(shape: Shape, value: unknown): string[] {
  const broken: string[] = [];
  const { min, max } = shape;
  const size = sizeOf(value);
  if (typeof value === 'number' && shape.type !== 'timestamp') {
    if (max !== undefined && value > max) broken.push(`Member must have value less than or equal to ${max}`);
    if (min !== undefined && value < min) broken.push(`Member must have value greater than or equal to ${min}`);
  } else if (size !== undefined) {
    if (max !== undefined && size > max) broken.push(`Member must have length less than or equal to ${max}`);
    if (min !== undefined && size < min) broken.push(`Member must have length greater than or equal to ${min}`);
  }
  if (typeof value === 'string') {
    if (shape.enum && !shape.enum.includes(value)) {
      broken.push(`Member must satisfy enum value set: [${shape.enum.join(', ')}]`);
    }
    if (shape.pattern !== undefined && expression(shape.pattern)?.test(value) === false) {
      broken.push(`Member must satisfy regular expression pattern: ${shape.pattern}`);
    }
  }
  return broken;
}

function sizeOf(value: unknown): number | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return isFields(value) ? Object.keys(value).length : undefined;
}

function checkType(shape: Shape, value: unknown): void {
  const wrong = (expected: string) => {
    if (isFields(value)) return serializationException('Start of structure or map found where not expected.');
    if (Array.isArray(value)) return serializationException('Start of list found where not expected.');
    const found = value === null ? 'NULL_VALUE' : `${typeof value}_VALUE`.toUpperCase();
    return serializationException(`${found} can not be converted to ${expected}`);
  };
  switch (shape.type) {
    case 'string':
      if (typeof value !== 'string') throw wrong('a String');
      return;
    case 'integer':
    case 'long':
      if (!Number.isInteger(value)) throw wrong(shape.type === 'integer' ? 'an Integer' : 'a Long');
      return;
    case 'float':
    case 'double':
      if (typeof value !== 'number') throw wrong(shape.type === 'float' ? 'a Float' : 'a Double');
      return;
    case 'timestamp':
      if (typeof value !== 'number') throw wrong('a Timestamp');
      return;
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong('a Boolean');
      return;
    case 'list':
      if (!Array.isArray(value)) throw wrong('a List');
      return;
    case 'structure':
    case 'map':
      if (!isFields(value)) throw wrong(shape.type === 'map' ? 'a Map' : 'a Structure');
      return;
    default:
      throw new Error(`The service model has a type that the validator does not know: ${shape.type}`);
  }
}

const expressions = new Map<string, RegExp | undefined>();

/** A pattern must match the whole value. The model holds a few that no engine can read (`…)${1,128}`); those are not checked. */
function expression(pattern: string): RegExp | undefined {
  if (!expressions.has(pattern)) expressions.set(pattern, compile(pattern, 'u') ?? compile(pattern, ''));
  return expressions.get(pattern);
}

function compile(pattern: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${pattern})$`, flags);
  } catch {
    // Not a JavaScript expression under these flags; the caller tries others.
    return undefined;
  }
}

function failed(value: unknown, path: string, constraint: string): string {
  const shown = value === null ? 'null' : `'${typeof value === 'string' ? value : JSON.stringify(value)}'`;
  return `Value ${shown} at '${path}' failed to satisfy constraint: ${constraint}`;
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
