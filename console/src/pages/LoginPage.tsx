import { Alert, Login, LoginForm, LoginHeader, LoginMainBody, Title } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { type FormEvent, type MouseEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ProblemError, take } from "../api/client";
import { sessionQuery } from "../api/queries";
import logo from "../assets/logo.svg";
import { adoptSession } from "../session";
import { DisplayMenu } from "../ui/DisplayMenu";
import { SaveError } from "../ui/states";

/** Where everybody comes in. */
export function LoginPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const router = useRouter();
  const { next, ended } = useSearch({ from: "/login" });
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();

  useEffect(() => {
    document.title = t("app.pageTitle", { page: t("login.title") });
  }, [t]);

  const logIn = async (submit: FormEvent | MouseEvent) => {
    submit.preventDefault();
    if (busy) return;
    setBusy(true);
    setFailure(undefined);
    try {
      const session = await take(api.POST("/api/v1/sessions", { body: { user, password } }));
      client.clear();
      adoptSession(session);
      client.setQueryData(sessionQuery.queryKey, session);
      if (next === undefined) await navigate({ to: "/" });
      else router.history.push(next);
    } catch (error) {
      setFailure(error);
      setPassword("");
      setBusy(false);
    }
  };

  const wrong = failure instanceof ProblemError && failure.problem.status === 401;
  return (
    <Login
      header={
        <LoginHeader
          headerBrand={
            <div className="skm-login-brand">
              <img src={logo} alt="" width={96} height={96} />
              <p className="skm-login-name">
                Sakimori <span className="skm-brand-kanji">防人</span>
              </p>
              <p>{t("login.tagline")}</p>
            </div>
          }
        />
      }
    >
      <div className="skm-heading skm-login-head">
        <Title headingLevel="h1" size="3xl">
          {t("login.title")}
        </Title>
        <DisplayMenu />
      </div>
      <LoginMainBody>
        {ended && failure === undefined && (
          <Alert variant="info" isInline title={t("login.ended")} component="p" className="skm-gap-below" />
        )}
        {wrong && (
          <Alert
            variant="danger"
            isInline
            title={t("login.wrong")}
            component="p"
            role="alert"
            className="skm-gap-below"
          />
        )}
        {failure !== undefined && !wrong && (
          <div className="skm-gap-below">
            <SaveError error={failure} title={t("login.title")} />
          </div>
        )}
        <LoginForm
          usernameLabel={t("login.user")}
          usernameValue={user}
          onChangeUsername={(_, value) => setUser(value)}
          isValidUsername={!wrong}
          passwordLabel={t("login.password")}
          passwordValue={password}
          onChangePassword={(_, value) => setPassword(value)}
          isValidPassword={!wrong}
          isShowPasswordEnabled
          showPasswordAriaLabel={t("login.showPassword")}
          hidePasswordAriaLabel={t("login.hidePassword")}
          loginButtonLabel={t("login.submit")}
          isLoginButtonDisabled={busy || user === "" || password === ""}
          onLoginButtonClick={(click) => void logIn(click)}
        />
      </LoginMainBody>
    </Login>
  );
}
