import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';

interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** A list that comes page by page, as far as the person has asked for it. */
export function usePages<Row>(
  key: readonly unknown[],
  ask: (page: { readonly pageToken: string }, signal: AbortSignal) => Promise<Page<Row>>,
) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => ask({ pageToken: pageParam }, signal),
    initialPageParam: '',
    getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
    placeholderData: keepPreviousData,
  });
  const rows = useMemo(() => data?.pages.flatMap((page) => page.rows), [data]);
  return { data: rows, error, refetch, hasMore: hasNextPage, more: fetchNextPage, moreBusy: isFetchingNextPage };
}
