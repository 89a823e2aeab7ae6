import { Dropdown, DropdownGroup, DropdownItem, DropdownList, MenuToggle } from "@patternfly/react-core";
import { GlobeIcon } from "@patternfly/react-icons/dist/esm/icons/globe-icon";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { chooseLanguage, type Language } from "../i18n";
import { chooseTheme, currentTheme, type Theme } from "../theme";

const LANGUAGES = [
  { language: "en", label: "settings.english" },
  { language: "ja", label: "settings.japanese" },
] as const;

const THEMES = [
  { theme: "light", label: "settings.light" },
  { theme: "dark", label: "settings.dark" },
  { theme: "system", label: "settings.system" },
] as const;

/** Language and colours. */
export function DisplayMenu() {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const [theme, setTheme] = useState<Theme>(currentTheme);

  const choose = (value: unknown) => {
    const [kind, choice] = String(value).split(":");
    if (kind === "language") chooseLanguage(choice as Language);
    if (kind === "theme") {
      chooseTheme(choice as Theme);
      setTheme(choice as Theme);
    }
    setOpen(false);
  };

  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={(_, value) => choose(value)}
      popperProps={{ position: "end" }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant="plain"
          icon={<GlobeIcon />}
          aria-label={t("settings.menu")}
          isExpanded={open}
          onClick={() => setOpen(!open)}
        />
      )}
    >
      <DropdownGroup label={t("settings.language")} labelHeadingLevel="h2">
        <DropdownList>
          {LANGUAGES.map(({ language, label }) => (
            <DropdownItem
              key={language}
              value={`language:${language}`}
              isSelected={i18n.language === language}
              lang={language}
            >
              {t(label)}
            </DropdownItem>
          ))}
        </DropdownList>
      </DropdownGroup>
      <DropdownGroup label={t("settings.theme")} labelHeadingLevel="h2">
        <DropdownList>
          {THEMES.map((one) => (
            <DropdownItem key={one.theme} value={`theme:${one.theme}`} isSelected={theme === one.theme}>
              {t(one.label)}
            </DropdownItem>
          ))}
        </DropdownList>
      </DropdownGroup>
    </Dropdown>
  );
}
