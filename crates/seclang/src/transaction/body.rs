//! The body of a request: buffered up to its limits, then read by its processor.

use super::{Transaction, Verdict};
use crate::body::{Bounds, json, multipart, urlencoded, xml};
use crate::settings::{Beyond, Engine};
use crate::variable::Variable;

impl Transaction<'_> {
    /// Takes a piece of the body. Beyond the limit it is counted and not kept.
    pub fn request_body(&mut self, piece: &[u8]) -> &Verdict {
        self.request_body_length = self.request_body_length.saturating_add(piece.len());
        if self.engine == Engine::Off || !self.request_body_access {
            return &self.verdict;
        }
        let room = self.request_body_limit.saturating_sub(self.request_body.len());
        self.request_body.extend_from_slice(piece.get(..room).unwrap_or(piece));
        if piece.len() > room {
            self.beyond_limit("the body is larger than SecRequestBodyLimit allows");
        }
        &self.verdict
    }

    fn beyond_limit(&mut self, why: &str) {
        self.set(Variable::InboundDataError, "1");
        if self.rules.settings.request_body_beyond == Beyond::Reject {
            self.refuse(413);
            self.body_error(why);
        }
    }

    /// The body is whole: reads it and runs phase 2.
    pub fn request_body_end(&mut self) -> &Verdict {
        if self.engine != Engine::Off {
            self.set(Variable::RequestBodyLength, self.request_body_length.to_string());
            if self.request_body_access && !self.request_body.is_empty() {
                self.process_body();
            }
            self.combined_size();
            if self.rules.reads(Variable::FilesCombinedSize)
                && self.entries(Variable::FilesCombinedSize).is_empty()
            {
                self.set(Variable::FilesCombinedSize, "0");
            }
            self.full_request();
        }
        self.run(2);
        &self.verdict
    }

    fn process_body(&mut self) {
        let body = std::mem::take(&mut self.request_body);
        let most = self.rules.settings.request_body_no_files_limit;
        let inspected = body.get(..most).unwrap_or(&body);
        if body.len() > most && self.processor != "MULTIPART" {
            self.beyond_limit("the body is larger than SecRequestBodyNoFilesLimit allows");
        }
        let bounds =
            Bounds { arguments: self.rules.settings.arguments, depth: self.rules.settings.json_depth };
        match self.processor {
            "URLENCODED" => {
                let separator = self.rules.settings.argument_separator;
                let form = urlencoded::parse(inspected, separator, bounds.arguments);
                if form.bad_escape {
                    self.set(Variable::UrlencodedError, "1");
                }
                if form.too_many {
                    self.body_error("more arguments than allowed");
                }
                for (name, value) in form.arguments {
                    self.push(Variable::ArgsPost, name, value);
                }
            }
            "MULTIPART" => self.multipart(&body),
            "JSON" => {
                let document = json::parse(inspected, bounds);
                if let Some(why) = document.error {
                    self.body_error(why);
                }
                for (name, value) in document.arguments {
                    self.push(Variable::ArgsPost, name, value);
                }
            }
            "XML" => self.xml(inspected, bounds),
            _ => {}
        }
        let is_document = matches!(self.processor, "MULTIPART" | "JSON" | "XML");
        if self.force_request_body || !is_document {
            self.set(Variable::RequestBody, inspected);
        }
        self.request_body = body;
    }

    fn xml(&mut self, text: &[u8], bounds: Bounds) {
        let document = xml::parse(text, bounds);
        if let Some(why) = document.error {
            self.body_error(why);
            return;
        }
        let rules = self.rules;
        let mut room = text.len().saturating_mul(4);
        for (path, list) in rules.paths.iter().zip(&mut self.paths) {
            for found in document.select(path).into_iter().take(bounds.arguments) {
                match room.checked_sub(found.len()) {
                    Some(left) => room = left,
                    None => break,
                }
                list.push(self.values.add(found.to_vec()));
            }
        }
        self.generation += 1;
    }

    fn multipart(&mut self, body: &[u8]) {
        let mut flaws = multipart::Flaws::default();
        let boundary = match multipart::boundary(&self.content_type, &mut flaws) {
            Ok(boundary) => boundary,
            Err(why) => {
                self.body_error(why);
                self.set(Variable::MultipartStrictError, "1");
                return;
            }
        };
        let form = multipart::parse(body, &boundary, self.rules.settings.arguments, flaws);
        if let Some(why) = form.error {
            self.body_error(why);
        }
        self.flaws(&form.flaws, form.error.is_some());
        let (mut files, mut room) = (0, self.rules.settings.request_body_no_files_limit);
        for part in form.parts {
            let content = body.get(part.content.0..part.content.1).unwrap_or_default();
            for header in &part.headers {
                self.push(Variable::MultipartPartHeaders, part.name.as_slice(), header.as_slice());
            }
            self.push(Variable::MultipartName, part.name.as_slice(), part.name.as_slice());
            if let Some(filename) = part.filename {
                files += content.len();
                self.push(Variable::MultipartFilename, part.name.as_slice(), filename.as_slice());
                self.push(Variable::FilesSizes, part.name.as_slice(), content.len().to_string());
                self.push(Variable::FilesTmpContent, part.name.as_slice(), content);
                self.push(Variable::Files, part.name, filename);
                continue;
            }
            if let Some(left) = room.checked_sub(content.len()) {
                room = left;
            } else {
                self.beyond_limit("fields are larger than SecRequestBodyNoFilesLimit allows");
                self.push(Variable::ArgsPost, part.name, content.get(..room).unwrap_or_default());
                break;
            }
            self.push(Variable::ArgsPost, part.name, content);
        }
        self.set(Variable::FilesCombinedSize, files.to_string());
    }

    fn flaws(&mut self, flaws: &multipart::Flaws, broken: bool) {
        for (variable, on) in [
            (Variable::MultipartBoundaryQuoted, flaws.boundary_quoted),
            (Variable::MultipartBoundaryWhitespace, flaws.boundary_whitespace),
            (Variable::MultipartDataBefore, flaws.data_before),
            (Variable::MultipartDataAfter, flaws.data_after),
            (Variable::MultipartHeaderFolding, flaws.header_folding),
            (Variable::MultipartInvalidHeaderFolding, flaws.invalid_header_folding),
            (Variable::MultipartLfLine, flaws.lf_line),
            (Variable::MultipartCrlfLfLines, flaws.mixed_lines),
            (Variable::MultipartMissingSemicolon, flaws.missing_semicolon),
            (Variable::MultipartInvalidQuoting, flaws.invalid_quoting),
            (Variable::MultipartInvalidPart, flaws.invalid_part),
            (Variable::MultipartFileLimitExceeded, flaws.too_many),
            (Variable::MultipartUnmatchedBoundary, flaws.unmatched_boundary),
            (Variable::MultipartStrictError, flaws.is_strict_error() || broken),
        ] {
            self.set(variable, if on { "1" } else { "0" });
        }
    }

    fn full_request(&mut self) {
        if !self.rules.reads(Variable::FullRequest) && !self.rules.reads(Variable::FullRequestLength) {
            return;
        }
        let mut whole = self.first(Variable::RequestLine).unwrap_or_default().to_vec();
        whole.push(b'\n');
        for entry in self.entries(Variable::RequestHeaders) {
            whole.extend_from_slice(self.values.bytes(entry.name));
            whole.extend_from_slice(b": ");
            whole.extend_from_slice(self.values.bytes(entry.value));
            whole.push(b'\n');
        }
        whole.push(b'\n');
        whole.extend_from_slice(&self.request_body);
        self.set(Variable::FullRequestLength, whole.len().to_string());
        self.set(Variable::FullRequest, whole);
    }
}
