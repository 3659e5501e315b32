"""Lints policy documents, one a line on stdin as `policies.ts` prints them, with parliament's list of AWS's actions.

Exit status 1 and a line for each finding that ACCEPTED does not explain; with --whole, also for each explanation
that explains nothing.
"""

import json
import sys
from typing import NamedTuple

from parliament import analyze_policy_string


class Finding(NamedTuple):
    at: str
    issue: str
    type: str
    detail: str


class Accepted(NamedTuple):
    """A finding that is right as it is."""

    issue: str
    # Resource type in whose property the policy stands.
    type: str
    # Part of the finding's detail.
    contains: str
    because: str


ROLE = "AWS::IAM::Role"
POLICY = "AWS::IAM::Policy"
KEY = "AWS::KMS::Key"

ACCEPTED = [
    Accepted(
        "CREDENTIALS_EXPOSURE",
        POLICY,
        "ecr:getauthorizationtoken",
        "SageMaker pulls images with the role of the project; the token reaches no more than the role may pull",
    ),
    Accepted(
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        POLICY,
        "kms:creategrant",
        "SageMaker makes grants for its volumes; the condition kms:GrantIsForAWSResource allows no others",
    ),
    Accepted(
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        KEY,
        "kms:putkeypolicy",
        "KMS guide, default key policy: without the statement of the account nobody could manage the key",
    ),
    Accepted(
        "ACTION_PATTERN",
        KEY,
        "kms:*",
        "KMS guide, default key policy: the statement of the account lets policies of IAM decide",
    ),
    Accepted(
        "RESOURCE_STAR",
        KEY,
        "kms:CancelKeyDeletion",
        "the same statement; in the policy of a key, * is the key",
    ),
    Accepted(
        "ACTION_PATTERN",
        KEY,
        "kms:GenerateDataKey*",
        "what CDK's grantPublish gives a service that publishes to an encrypted topic",
    ),
    Accepted(
        "CREDENTIALS_EXPOSURE",
        ROLE,
        "sts:assumerole",
        "a trust policy is there to give a service the role's credentials",
    ),
    Accepted(
        "MISMATCHED_TYPE",
        KEY,
        "ArnLike",
        "CloudWatch Logs guide: log groups are told apart by ArnLike on the encryption context, which is text to IAM",
    ),
    Accepted(
        "UNKNOWN_CONDITION_FOR_ACTION",
        KEY,
        "kms:DescribeKey",
        "CloudWatch Logs guide: one statement, with kms:Describe*, under the condition of the encryption context",
    ),
]


def prepared(policy: dict) -> dict:
    """The document with the resource that its place implies: parliament reads all as policies of an identity."""
    statements = policy["document"]["Statement"]
    if policy["property"] == "AssumeRolePolicyDocument":
        statements = [{**each, "Resource": "arn:aws:iam::111122223333:role/this"} for each in statements]
    if policy["type"] == KEY:
        key = "arn:aws:kms:us-east-1:111122223333:key/this"
        statements = [each if each["Action"] == "kms:*" else {**each, "Resource": key} for each in statements]
    return {**policy["document"], "Statement": statements}


def findings_of(policy: dict) -> list[Finding]:
    document = prepared(policy)
    by_parliament = analyze_policy_string(json.dumps(document), include_community_auditors=True).findings
    found = [
        (each.issue, f"{each.detail} {' '.join(each.location.get('actions', []))}".strip()) for each in by_parliament
    ]
    patterns = [
        action
        for each in document["Statement"]
        if each["Effect"] == "Allow"
        for action in as_list(each.get("Action", []))
        if "*" in action or "?" in action
    ]
    found += [("ACTION_PATTERN", action) for action in patterns]
    return [Finding(policy["at"], issue, policy["type"], detail) for issue, detail in found]


def as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def accepts(accepted: Accepted, finding: Finding) -> bool:
    same = (accepted.issue, accepted.type) == (finding.issue, finding.type)
    return same and accepted.contains in finding.detail


def main(lines: list[str], whole: bool) -> int:
    findings = [finding for line in lines for finding in findings_of(json.loads(line))]
    wrong = [each for each in findings if not any(accepts(accepted, each) for accepted in ACCEPTED)]
    for at, issue, _, detail in wrong:
        print(f"{at}: {issue}: {detail}")
    idle = [each for each in ACCEPTED if whole and not any(accepts(each, finding) for finding in findings)]
    for accepted in idle:
        print(f"scripts/lint_policies.py accepts {accepted.issue} of {accepted.type}, which nothing has: remove it")
    if not lines:
        print("got no policy to lint")
    return 1 if wrong or idle or not lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.read().splitlines(), whole="--whole" in sys.argv[1:]))
