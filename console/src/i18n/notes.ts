/** Texts of what people say of events, in both languages. */
export const notesEn = {
  tags: "Tags",
  tag: "Tag",
  newTag: "New tag",
  untag: "Take the tag away: {{tag}}",
  comments: "Comments",
  comment: "Comment",
  newComment: "What is there to say?",
  noComments: "Nobody has written anything yet.",
  export: "Export",
  formats: { csv: "CSV, for spreadsheets", jsonl: "JSON, one event in a line" },
};

export const notesJa: typeof notesEn = {
  tags: "タグ",
  tag: "付ける",
  newTag: "新しいタグ",
  untag: "タグを外す: {{tag}}",
  comments: "コメント",
  comment: "コメントする",
  newComment: "コメントを入力",
  noComments: "コメントはまだありません。",
  export: "エクスポート",
  formats: { csv: "CSV（表計算ソフト用）", jsonl: "JSON（1 行に 1 イベント）" },
};
