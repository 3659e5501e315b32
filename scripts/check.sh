#!/usr/bin/env bash
# Everything that a machine can say about the source, in one go; --fix repairs what can be repaired.
# Each failing check is named at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
ruff=.flywheel/venv/cloud/bin/ruff

if [ "${1-}" = --fix ]; then
  biome check --write .
  $ruff check --quiet --fix .
  $ruff format --quiet .
  exit
fi

failed=()
check() {
  "$@" || failed+=("$*")
}
check tsc
check biome check --error-on-warnings .
check knip
check $ruff check --quiet .
check $ruff format --quiet --check .
# The laptop's templates are the same stacks as every environment's.
check cdk synth --quiet --no-notices --context environment=local --output .flywheel/check '**'
check .flywheel/venv/cloud/bin/cfn-lint '.flywheel/check/**/*.template.json'

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
