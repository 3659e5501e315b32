/** Saved queries over the logs of all functions. */
import { QueryDefinition, QueryString } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { EventFunction } from './event-function.ts';
import type { Platform } from './platform.ts';

export interface LogQueriesProps {
  readonly platform: Platform;
  readonly functions: readonly EventFunction[];
}

export class LogQueries extends Construct {
  constructor(scope: Construct, id: string, { platform, functions }: LogQueriesProps) {
    super(scope, id);
    const logGroups = functions.map((each) => each.logGroup);
    const query = (name: string, queryString: QueryString) =>
      new QueryDefinition(this, name, {
        queryDefinitionName: `flywheel/${platform.environment.name}/${name}`,
        logGroups,
        queryString,
      });
    query(
      'errors',
      new QueryString({
        fields: ['@timestamp', 'service', 'message', 'error.message'],
        filterStatements: ['level = "ERROR"'],
        sort: '@timestamp desc',
        limit: 200,
      }),
    );
    query(
      'cold-starts',
      new QueryString({
        filterStatements: ['@type = "REPORT"', 'ispresent(@initDuration)'],
        statsStatements: ['count(), avg(@initDuration), max(@initDuration) by @log'],
      }),
    );
    query(
      'slowest',
      new QueryString({
        fields: ['@timestamp', '@log', '@duration', '@maxMemoryUsed'],
        filterStatements: ['@type = "REPORT"'],
        sort: '@duration desc',
        limit: 50,
      }),
    );
  }
}
