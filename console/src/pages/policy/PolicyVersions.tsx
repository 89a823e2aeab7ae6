import {
  Button,
  Card,
  CardBody,
  CardTitle,
  FormGroup,
  Label,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from "@patternfly/react-core";
import { ExpandableRowContent, Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { policyChanged, policyDiffQuery, policyVersionsQuery } from "../../api/queries";
import type { Policy, PolicyVersion } from "../../api/types";
import { textOfCode } from "../../i18n";
import { useMayChange } from "../../session";
import { LoadMore } from "../../ui/LoadMore";
import { LoadError, Loading, SaveError } from "../../ui/states";
import { Time } from "../../ui/Time";
import { SettingChanges } from "./SettingChanges";

const COLUMNS = 7;

/** What differs between a version and another, or the policy as it is now. */
function Difference({ policy, from, to }: { policy: Policy; from: number; to?: number }) {
  const { t } = useTranslation();
  const query = useQuery(policyDiffQuery(policy.id, from, to));
  if (query.data === undefined) {
    return query.isError ? (
      <LoadError error={query.error} onRetry={() => void query.refetch()} />
    ) : (
      <Loading />
    );
  }
  if (query.data.changes.length === 0) return <p className="skm-subtle">{t("history.sameAsNow")}</p>;
  return <SettingChanges changes={query.data.changes} total={query.data.total} />;
}

function RollBack({ policy, version, onClose }: { policy: Policy; version: number; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const query = useQuery(policyDiffQuery(policy.id, version));
  const back = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/policies/{id}/roll-back", {
          params: { path: { id: policy.id }, header: { "If-Match": policy.etag } },
          body: { version, ...(comment.trim() !== "" && { comment: comment.trim() }) },
        }),
      ),
    onSuccess: async (saved) => {
      await policyChanged(client, saved);
      onClose();
    },
  });
  // The difference is read from the version to now; rolling back goes the other way.
  const changes = (query.data?.changes ?? []).map((one) => ({
    ...one,
    before: one.after,
    after: one.before,
    beforeOrigin: one.afterOrigin,
    afterOrigin: one.beforeOrigin,
  }));
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="roll-back-title">
      <ModalHeader title={t("history.rollBackTitle", { version })} labelId="roll-back-title" />
      <ModalBody>
        {back.isError && <SaveError error={back.error} />}
        <p className="skm-gap-below">{t("history.rollBackBody")}</p>
        <FormGroup label={t("history.comment")} fieldId="roll-back-comment" className="skm-gap-below">
          <TextInput
            id="roll-back-comment"
            maxLength={1024}
            placeholder={t("history.commentHint")}
            value={comment}
            onChange={(_, value) => setComment(value)}
          />
        </FormGroup>
        {query.isPending && <Loading />}
        {query.isError && <LoadError error={query.error} />}
        {query.isSuccess &&
          (changes.length === 0 ? (
            <p className="skm-subtle">{t("history.sameAsNow")}</p>
          ) : (
            <SettingChanges changes={changes} total={query.data.total} />
          ))}
      </ModalBody>
      <ModalFooter>
        <Button isLoading={back.isPending} isDisabled={back.isPending} onClick={() => back.mutate()}>
          {t("history.rollBack")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function VersionRows({
  policy,
  version,
  before,
  isNewest,
  onRollBack,
}: {
  policy: Policy;
  version: PolicyVersion;
  /** The version before this one, where it is kept. */
  before: number | undefined;
  isNewest: boolean;
  onRollBack?: () => void;
}) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const number = version.version;
  return (
    <Tbody isExpanded={open}>
      <Tr>
        <Td
          expand={{
            rowIndex: number,
            isExpanded: open,
            onToggle: () => setOpen(!open),
            expandId: `version-${number}`,
          }}
          aria-label={t("history.showOf", { version: number })}
        />
        <Td dataLabel={t("history.version")}>{number}</Td>
        <Td dataLabel={t("history.at")}>
          <Time at={version.at} />
        </Td>
        <Td dataLabel={t("history.author")}>
          {version.author}
          <div className="skm-subtle skm-small">{textOfCode("audit.actorKind", version.authorKind)}</div>
        </Td>
        <Td dataLabel={t("history.what")}>{textOfCode("history.action", version.action)}</Td>
        <Td dataLabel={t("history.comment")}>
          <span className="skm-break">{version.comment}</span>
        </Td>
        <Td dataLabel={t("common.actions")}>
          {isNewest ? (
            <Label isCompact status="success">
              {t("history.current")}
            </Label>
          ) : (
            onRollBack && (
              <Button
                variant="link"
                isInline
                aria-label={t("history.rollBackOf", { version: number })}
                onClick={onRollBack}
              >
                {t("history.rollBack")}
              </Button>
            )
          )}
        </Td>
      </Tr>
      {open && (
        <Tr isExpanded>
          <Td colSpan={COLUMNS}>
            <ExpandableRowContent>
              {before === undefined ? (
                <p className="skm-subtle">{t("history.first")}</p>
              ) : (
                <Difference policy={policy} from={before} to={number} />
              )}
            </ExpandableRowContent>
          </Td>
        </Tr>
      )}
    </Tbody>
  );
}

/** Who changed a policy, when and why; what each change was, and the way back. */
export function PolicyVersions({ policy }: { policy: Policy }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useInfiniteQuery(policyVersionsQuery(policy.id));
  const [back, setBack] = useState<number>();
  const versions = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card>
      <CardTitle component="h2">{t("history.title")}</CardTitle>
      <CardBody>
        <p className="skm-subtle skm-gap-below">{t("history.kept")}</p>
        {query.isPending && <Loading />}
        {query.isError && query.data === undefined && (
          <LoadError error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.isSuccess && versions.length === 0 && <p>{t("history.empty")}</p>}
        {versions.length > 0 && (
          <Table aria-label={t("history.title")} variant="compact">
            <Thead>
              <Tr>
                <Th screenReaderText={t("history.show")} />
                <Th>{t("history.version")}</Th>
                <Th>{t("history.at")}</Th>
                <Th>{t("history.author")}</Th>
                <Th>{t("history.what")}</Th>
                <Th>{t("history.comment")}</Th>
                <Th screenReaderText={t("common.actions")} />
              </Tr>
            </Thead>
            {versions.map((version, index) => (
              <VersionRows
                key={version.version}
                policy={policy}
                version={version}
                before={versions[index + 1]?.version}
                isNewest={index === 0}
                onRollBack={mayChange ? () => setBack(version.version) : undefined}
              />
            ))}
          </Table>
        )}
        <LoadMore {...query} />
        {back !== undefined && <RollBack policy={policy} version={back} onClose={() => setBack(undefined)} />}
      </CardBody>
    </Card>
  );
}
