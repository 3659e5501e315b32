import * as z from 'zod';
import type { Core } from '../core/core.ts';
import { validationException } from '../core/errors.ts';
import { readToken, writeToken } from '../core/listing.ts';
import { type Operations, operation } from '../core/operation.ts';
import type { Tag } from '../core/store.ts';

const tagSchema = z.object({ Key: z.string(), Value: z.string() });
const mostTags = 50;
const pageSize = 50;

/** Tags of every kind of resource. */
export function tagOperations(core: Core): Operations {
  const find = (arn: string) => {
    const resource = core.store.byArn(arn);
    if (!resource) throw validationException(`Requested resource not found: ${arn}`);
    return resource;
  };
  const resources = ({ ResourceArn }: { ResourceArn: string }) => [ResourceArn];
  return {
    AddTags: operation({
      input: z.object({ ResourceArn: z.string(), Tags: z.array(tagSchema) }),
      resources,
      handle({ ResourceArn, Tags }) {
        const merged = mergeTags(find(ResourceArn).tags, Tags);
        if (merged.length > mostTags) throw validationException(`A resource may have at most ${mostTags} tags.`);
        core.store.setTags(ResourceArn, merged);
        return { Tags: merged };
      },
    }),
    ListTags: operation({
      input: z.object({ ResourceArn: z.string(), NextToken: z.string().optional(), MaxResults: z.number().optional() }),
      resources,
      handle({ ResourceArn, NextToken, MaxResults = pageSize }) {
        const from = NextToken === undefined ? 0 : Number(readToken(NextToken)[0]);
        const { tags } = find(ResourceArn);
        const end = from + MaxResults;
        return {
          Tags: tags.slice(from, end),
          ...(end < tags.length ? { NextToken: writeToken([end, ResourceArn, 'tags']) } : {}),
        };
      },
    }),
    DeleteTags: operation({
      input: z.object({ ResourceArn: z.string(), TagKeys: z.array(z.string()) }),
      resources,
      handle({ ResourceArn, TagKeys }) {
        const kept = find(ResourceArn).tags.filter(({ Key }) => !TagKeys.includes(Key));
        core.store.setTags(ResourceArn, kept);
        return {};
      },
    }),
  };
}

/** The tags of `added` win over those of the same key. */
function mergeTags(present: readonly Tag[], added: readonly Tag[]): Tag[] {
  const byKey = new Map([...present, ...added].map((tag) => [tag.Key, tag]));
  return [...byKey.values()];
}
