/** Where SageMaker's algorithm images are: an account for each region. */
import { Aws, CfnMapping, Stack, Token } from 'aws-cdk-lib';
import { Construct } from 'constructs';

/** Source: docs/reference/region_availability.md of aws/deep-learning-containers, section "SageMaker Algorithm Registry". */
export const algorithmAccounts: Readonly<Record<string, string>> = {
  'us-east-1': '683313688378',
  'us-east-2': '257758044811',
  'us-west-1': '746614075791',
  'us-west-2': '246618743249',
  'ca-central-1': '341280168497',
  'sa-east-1': '737474898029',
  'eu-west-1': '141502667606',
  'eu-west-2': '764974769150',
  'eu-west-3': '659782779980',
  'eu-central-1': '492215442770',
  'eu-north-1': '662702820516',
  'eu-south-1': '978288397137',
  'ap-northeast-1': '354813040037',
  'ap-northeast-2': '366743142698',
  'ap-southeast-1': '121021644041',
  'ap-southeast-2': '783357654285',
  'ap-south-1': '720646828776',
};

export class AlgorithmRegistry extends Construct {
  /** `683313688378.dkr.ecr.us-east-1.amazonaws.com` */
  readonly host: string;
  readonly #account: string;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const { region, urlSuffix } = Stack.of(this);
    if (!Token.isUnresolved(region) && !(region in algorithmAccounts))
      throw new Error(
        `got the region ${region}, expected one whose registry of SageMaker algorithms is known: ${Object.keys(algorithmAccounts).join(', ')}; add its account to lib/constructs/algorithm-registry.ts`,
      );
    const mapping = new CfnMapping(this, 'Accounts', {
      mapping: Object.fromEntries(Object.entries(algorithmAccounts).map(([name, account]) => [name, { account }])),
    });
    this.#account = mapping.findInMap(Aws.REGION, 'account');
    this.host = `${this.#account}.dkr.ecr.${region}.${urlSuffix}`;
  }

  /** @param image repository and tag, `sagemaker-xgboost:3.2-0` */
  repositoryArn(image: string): string {
    const { partition, region } = Stack.of(this);
    const [repository] = image.split(':');
    return `arn:${partition}:ecr:${region}:${this.#account}:repository/${repository}`;
  }
}
