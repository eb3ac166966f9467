// What a call names a run, an artifact or the like by: ids of any shape are looked up, and those that cannot be one are not found.
import type { RunId } from "../domain/id.ts";

export interface Looked<Id> {
  /** Null when nothing can have that name. */
  readonly id: Id | null;
  /** As it was given. */
  readonly text: string;
}
export type RunName = Looked<RunId>;

/** What stands under names of which some cannot be: `find` is asked for the others, in bulk. */
export async function findAll<Id, T>(
  names: readonly Looked<Id>[],
  find: (ids: readonly Id[]) => Promise<readonly (T | undefined)[]>,
): Promise<readonly (T | undefined)[]> {
  const ids = [...new Set(names.flatMap(({ id }) => (id === null ? [] : [id])))];
  const found = ids.length === 0 ? [] : await find(ids);
  const byId = new Map(ids.map((id, i) => [id, found[i]]));
  return names.map(({ id }) => (id === null ? undefined : byId.get(id)));
}
