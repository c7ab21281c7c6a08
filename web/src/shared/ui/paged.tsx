import { Button, Group } from '@mantine/core';
import { type QueryKey, useInfiniteQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useMemo } from 'react';
import { Answered, Nothing, Waiting } from './page.tsx';
import { commonTexts } from './texts.ts';

interface CursorPage {
  readonly nextCursor: string | null;
}

interface PagedOptions<Page extends CursorPage, Item> {
  readonly queryKey: QueryKey;
  /** `cursor` is empty for the first page. */
  readonly read: (cursor: { cursor?: string }) => Promise<Page>;
  readonly itemsOf: (page: Page) => readonly Item[];
  /** Reads on by itself to the end: for a search in what the server cannot search. */
  readonly wantsAll?: boolean;
  /** Whether the list is about to change by itself: then it is read again soon. */
  readonly isMoving?: (items: readonly Item[]) => boolean;
}

export interface Paged<Item> {
  readonly query: { data: readonly Item[] | undefined; error: unknown; refetch: () => unknown };
  readonly hasMore: boolean;
  readonly isReadingOn: boolean;
  readonly readOn: () => void;
}

/** A list of the API, page by page. */
export function usePaged<Page extends CursorPage, Item>(options: PagedOptions<Page, Item>): Paged<Item> {
  const { queryKey, read, itemsOf, wantsAll = false, isMoving } = options;
  const pages = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => read(pageParam === null ? {} : { cursor: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Page) => page.nextCursor,
    refetchInterval: ({ state }) =>
      isMoving?.(state.data?.pages.flatMap((page) => itemsOf(page)) ?? []) ? SOON_MILLIS : false,
  });
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  useEffect(() => {
    if (wantsAll && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [wantsAll, hasNextPage, isFetchingNextPage, fetchNextPage]);
  const items = useMemo(() => data?.pages.flatMap(itemsOf), [data, itemsOf]);
  return {
    query: { data: items, error: pages.error, refetch: pages.refetch },
    hasMore: hasNextPage,
    isReadingOn: isFetchingNextPage,
    readOn: () => void fetchNextPage(),
  };
}

const SOON_MILLIS = 1_500;

interface PagedListProps<Item> {
  readonly paged: Paged<Item>;
  /** What a search leaves of them; all of them without. */
  readonly shown?: readonly Item[] | undefined;
  readonly nothing?: ReactNode;
  readonly children: (items: readonly Item[]) => ReactNode;
}

/** A list with the button that shows more of it. */
export function PagedList<Item>({ paged, shown, nothing, children }: PagedListProps<Item>) {
  const t = commonTexts.use();
  return (
    <Answered query={paged.query}>
      {(items) => {
        const visible = shown ?? items;
        if (visible.length === 0 && paged.isReadingOn) return <Waiting />;
        return (
          <>
            {visible.length === 0 ? <Nothing>{nothing}</Nothing> : children(visible)}
            {paged.hasMore && (
              <Group justify="center">
                <Button variant="default" size="xs" loading={paged.isReadingOn} onClick={paged.readOn}>
                  {t('more')}
                </Button>
              </Group>
            )}
          </>
        );
      }}
    </Answered>
  );
}
