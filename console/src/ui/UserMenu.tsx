import {
  Alert,
  AlertActionCloseButton,
  AlertGroup,
  Dropdown,
  DropdownItem,
  DropdownList,
  MenuToggle,
} from "@patternfly/react-core";
import { UserIcon } from "@patternfly/react-icons/dist/esm/icons/user-icon";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { forgetSession } from "../router";
import { useLogOut, useSession } from "../session";

const PasswordModal = lazy(async () => ({ default: (await import("./PasswordModal")).PasswordModal }));

/** Who is logged in, and the way out. */
export function UserMenu() {
  const { t } = useTranslation();
  const { user } = useSession();
  const [open, setOpen] = useState(false);
  const [changing, setChanging] = useState(false);
  const [changed, setChanged] = useState(false);
  const logOut = useLogOut();
  const navigate = useNavigate();

  const leave = async () => {
    forgetSession();
    await navigate({ to: "/login", search: {} });
    await logOut();
  };

  const password = (
    <Suspense>
      {changing && (
        <PasswordModal
          onClose={() => setChanging(false)}
          onChanged={() => {
            setChanging(false);
            setChanged(true);
          }}
        />
      )}
    </Suspense>
  );
  return (
    <>
      <Dropdown
        isOpen={open}
        onOpenChange={setOpen}
        onSelect={() => setOpen(false)}
        popperProps={{ position: "end" }}
        toggle={(ref) => (
          <MenuToggle
            ref={ref}
            variant="plainText"
            icon={<UserIcon />}
            aria-label={t("user.menu", { name: user.name })}
            isExpanded={open}
            onClick={() => setOpen(!open)}
          >
            <span className="skm-user-name">{user.name}</span>
          </MenuToggle>
        )}
      >
        <DropdownList>
          <DropdownItem isDisabled key="role" description={t(`role.${user.role}`)}>
            {user.name}
          </DropdownItem>
          <DropdownItem key="password" onClick={() => setChanging(true)}>
            {t("access.changePassword")}
          </DropdownItem>
          <DropdownItem key="log-out" onClick={() => void leave()}>
            {t("login.logOut")}
          </DropdownItem>
        </DropdownList>
      </Dropdown>
      {password}
      {changed && (
        <AlertGroup isToast isLiveRegion>
          <Alert
            variant="success"
            title={t("access.passwordChanged")}
            timeout
            onTimeout={() => setChanged(false)}
            actionClose={<AlertActionCloseButton onClose={() => setChanged(false)} />}
          />
        </AlertGroup>
      )}
    </>
  );
}
