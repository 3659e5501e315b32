import * as fc from 'fast-check';

/**
 * Checks a synchronous property of every value. fast-check's `assert` returns nothing for one, but its overloads make the
 * floating-promise rule think otherwise, hence `void`; and a check that returns false by accident would fail there.
 */
export function forAll<T>(
  values: fc.Arbitrary<T>,
  check: (value: T) => void,
  parameters: fc.Parameters<[T]> = {},
): void {
  void fc.assert(
    fc.property(values, (value) => {
      check(value);
    }),
    parameters,
  );
}
