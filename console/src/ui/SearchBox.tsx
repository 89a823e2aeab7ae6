import { SearchInput } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

/** How long to wait for the next key before searching, in milliseconds. */
const TYPING_MS = 300;

interface Props {
  value: string;
  label: string;
  onSearch: (value: string) => void;
}

/** A search field that searches when the typing pauses. */
export function SearchBox({ value, label, onSearch }: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(value);
  const pending = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useEffect(() => setTyped(value), [value]);
  useEffect(() => () => clearTimeout(pending.current), []);

  const search = (words: string, wait: number) => {
    clearTimeout(pending.current);
    setTyped(words);
    if (wait === 0) onSearch(words.trim());
    else pending.current = setTimeout(() => onSearch(words.trim()), wait);
  };

  return (
    <SearchInput
      className="skm-search"
      aria-label={label}
      placeholder={label}
      value={typed}
      onChange={(_, words) => search(words, TYPING_MS)}
      onClear={() => search("", 0)}
      resetButtonLabel={t("common.clearSearch")}
    />
  );
}
