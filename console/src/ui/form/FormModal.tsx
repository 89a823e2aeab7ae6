import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { createContext, type ReactNode, useContext, useEffect, useId, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { isConflict, ProblemError } from "../../api/client";
import type { FieldError } from "../../api/types";
import { Conflict } from "../Conflict";
import { SaveError } from "../states";
import { errorsAt, errorsBeside } from "./fieldErrors";

interface Told {
  errors: readonly FieldError[];
  fields: Set<string>;
}

const FormContext = createContext<Told>({ errors: [], fields: new Set() });

/** What the manager said of the field at a pointer; nothing where the field names none. */
export function useFieldErrors(pointer: string | undefined): FieldError[] {
  const { errors, fields } = useContext(FormContext);
  useLayoutEffect(() => {
    if (pointer === undefined) return;
    fields.add(pointer);
    return () => {
      fields.delete(pointer);
    };
  }, [fields, pointer]);
  return pointer === undefined ? [] : errorsAt(errors, pointer);
}

interface Props {
  title: string;
  /** What the button says that sends the form. */
  action?: string;
  error: unknown;
  pending: boolean;
  /** Whether the form is filled in. */
  ready: boolean;
  onSubmit: () => void;
  onClose: () => void;
  /** Reads again what somebody else has changed in the meantime. */
  onReload?: () => void;
  wide?: boolean;
  /** Buttons beside the one that sends. */
  beside?: ReactNode;
  children: ReactNode;
}

/** A form in a dialogue: what the manager refuses stands at its fields, the rest above them. */
export function FormModal({
  title,
  action,
  error,
  pending,
  ready,
  onSubmit,
  onClose,
  onReload,
  wide = false,
  beside,
  children,
}: Props) {
  const { t } = useTranslation();
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  const fields = useRef(new Set<string>());
  const problem = error instanceof ProblemError ? error.problem : undefined;
  const errors = problem?.errors ?? [];
  const failed = error !== null && error !== undefined;
  const above = failed && (errors.length === 0 || errorsBeside(errors, fields.current).length > 0);

  // Whoever cannot see where it went wrong is led there.
  useEffect(() => {
    if (!failed) return;
    const wrong = body.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    wrong?.focus();
    if (!wrong) body.current?.querySelector("[role=alert]")?.scrollIntoView({ block: "nearest" });
  }, [failed]);

  return (
    <Modal isOpen variant={wide ? "large" : "small"} onClose={onClose} aria-labelledby={`${id}-title`}>
      <ModalHeader title={title} labelId={`${id}-title`} />
      <ModalBody>
        <div ref={body}>
          <FormContext value={{ errors, fields: fields.current }}>
            <Form
              id={`${id}-form`}
              noValidate
              onSubmit={(submit) => {
                submit.preventDefault();
                if (ready && !pending) onSubmit();
              }}
            >
              {failed && isConflict(error) && onReload && <Conflict onReload={onReload} />}
              {above && !(isConflict(error) && onReload) && (
                <SaveError
                  error={
                    problem === undefined
                      ? error
                      : new ProblemError({ ...problem, errors: errorsBeside(errors, fields.current) })
                  }
                />
              )}
              {children}
            </Form>
          </FormContext>
        </div>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={`${id}-form`} isDisabled={!ready || pending} isLoading={pending}>
          {action ?? t("common.save")}
        </Button>
        {beside}
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
