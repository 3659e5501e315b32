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
rm -rf .flywheel/check
check cdk synth --quiet --no-notices --output .flywheel/check '**'
check .flywheel/venv/cloud/bin/cfn-lint '.flywheel/check/**/*.template.json'
lint_policies() {
  set -o pipefail
  node scripts/policies.ts .flywheel/check |
    .flywheel/venv/cloud/bin/python -W ignore::UserWarning scripts/lint_policies.py --whole
}
check lint_policies

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
