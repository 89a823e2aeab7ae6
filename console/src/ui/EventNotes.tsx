import {
  Button,
  Form,
  InputGroup,
  InputGroupItem,
  Label,
  LabelGroup,
  TextArea,
  TextInput,
  Title,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { quoted } from "../api/alerts";
import { api, take } from "../api/client";
import { eventCommentsQuery, eventQuery } from "../api/queries";
import type { Event } from "../api/types";
import { useMayChange } from "../session";
import { LoadError, SaveError } from "./states";
import { Time } from "./Time";

/** The tags of an event: looked for by one click, given and taken away. */
function Tags({ event }: { event: Event }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [typed, setTyped] = useState("");
  const change = useMutation({
    mutationFn: ({ tag, on }: { tag: string; on: boolean }) => {
      const params = { params: { path: { id: event.id, tag } } };
      return on
        ? take(api.PUT("/api/v1/events/{id}/tags/{tag}", params))
        : take(api.DELETE("/api/v1/events/{id}/tags/{tag}", params));
    },
    onSuccess: async () => {
      setTyped("");
      await client.invalidateQueries({ queryKey: eventQuery(event.id).queryKey });
      await client.invalidateQueries({ queryKey: ["events", "list"] });
    },
  });
  return (
    <section>
      <Title headingLevel="h3" size="md">
        {t("notes.tags")}
      </Title>
      {change.isError && <SaveError error={change.error} />}
      {event.tags.length > 0 && (
        <LabelGroup numLabels={20} aria-label={t("notes.tags")}>
          {event.tags.map((tag) => (
            <Label
              key={tag}
              {...(mayChange && {
                onClose: () => change.mutate({ tag, on: false }),
                closeBtnAriaLabel: t("notes.untag", { tag }),
              })}
            >
              <Link to="/events" search={{ filter: `tag = ${quoted(tag)}` }}>
                {tag}
              </Link>
            </Label>
          ))}
        </LabelGroup>
      )}
      {event.tags.length === 0 && !mayChange && <p className="skm-subtle">{t("common.none")}</p>}
      {mayChange && (
        <Form
          onSubmit={(submit) => {
            submit.preventDefault();
            const tag = typed.trim();
            if (tag !== "") change.mutate({ tag, on: true });
          }}
        >
          <InputGroup>
            <InputGroupItem isFill>
              <TextInput
                id="event-tag"
                aria-label={t("notes.newTag")}
                placeholder={t("notes.newTag")}
                maxLength={64}
                value={typed}
                onChange={(_, text) => setTyped(text)}
              />
            </InputGroupItem>
            <InputGroupItem>
              <Button type="submit" variant="control" isDisabled={typed.trim() === "" || change.isPending}>
                {t("notes.tag")}
              </Button>
            </InputGroupItem>
          </InputGroup>
        </Form>
      )}
    </section>
  );
}

/** What people wrote about an event. */
function Comments({ id }: { id: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(eventCommentsQuery(id));
  const [typed, setTyped] = useState("");
  const add = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/events/{id}/comments", {
          params: { path: { id } },
          body: { text: typed.trim() },
        }),
      ),
    onSuccess: async () => {
      setTyped("");
      await client.invalidateQueries({ queryKey: eventCommentsQuery(id).queryKey });
    },
  });
  return (
    <section>
      <Title headingLevel="h3" size="md">
        {t("notes.comments")}
      </Title>
      {query.isError && <LoadError error={query.error} onRetry={() => void query.refetch()} />}
      {query.data?.length === 0 && <p className="skm-subtle">{t("notes.noComments")}</p>}
      {query.data !== undefined && query.data.length > 0 && (
        <ul className="skm-newest">
          {query.data.map((comment) => (
            <li key={comment.id}>
              <div className="skm-comment">{comment.text}</div>
              <span className="skm-subtle skm-small">
                {comment.author}
                {" · "}
                <Time at={comment.at} />
              </span>
            </li>
          ))}
        </ul>
      )}
      {mayChange && (
        <Form
          onSubmit={(submit) => {
            submit.preventDefault();
            if (typed.trim() !== "") add.mutate();
          }}
        >
          {add.isError && <SaveError error={add.error} />}
          <TextArea
            id="event-comment"
            aria-label={t("notes.newComment")}
            placeholder={t("notes.newComment")}
            rows={2}
            maxLength={4096}
            resizeOrientation="vertical"
            value={typed}
            onChange={(_, text) => setTyped(text)}
          />
          <div>
            <Button
              type="submit"
              variant="secondary"
              isDisabled={typed.trim() === "" || add.isPending}
              isLoading={add.isPending}
            >
              {t("notes.comment")}
            </Button>
          </div>
        </Form>
      )}
    </section>
  );
}

/** What people say of an event: tags and comments. */
export function EventNotes({ event }: { event: Event }) {
  return (
    <>
      <Tags event={event} />
      <Comments id={event.id} />
    </>
  );
}
