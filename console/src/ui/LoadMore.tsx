import { Bullseye, Button } from "@patternfly/react-core";
import { useTranslation } from "react-i18next";

interface Props {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

/** Under a list: the next part of it. */
export function LoadMore({ hasNextPage, isFetchingNextPage, fetchNextPage }: Props) {
  const { t } = useTranslation();
  if (!hasNextPage) return null;
  return (
    <Bullseye>
      <Button variant="link" isLoading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
        {t("common.loadMore")}
      </Button>
    </Bullseye>
  );
}
