/** Texts of the firewall's changes on a live server, in both languages. */
export const firewallChangesEn = {
  firewallTrial: {
    operatorTitle: "Does everything you need on this computer still work?",
    operatorBody:
      "Change {{number}} of its firewall is in force on trial. Open a new connection to it, by SSH for instance, then confirm. Otherwise the rules of before come back in {{seconds}} seconds.",
    managerTitle: "A change of the firewall is on trial",
    managerBody:
      "Change {{number}} is taken back unless the computer reaches its manager anew within {{seconds}} seconds.",
    over: "The time is over: the computer decides now.",
    confirm: "It works: keep the change",
    revert: "Take the change back",
    revertedTitle: "The last change of the firewall was taken back",
    revertedBody:
      "It cut the computer off from its manager, or nobody confirmed it. The rules of before are in force; everything else of the policy is enforced. Correct the policy, or try again.",
    retry: "Try again",
    releasedTitle: "The firewall is released by hand",
    releasedBody:
      "A person at the computer let everything pass until {{until}}. The event says who and why; it ends by itself, or with the next change of the policy's firewall.",
    told: "The computer is being told.",
  },
  ruleGroups: {
    title: "Ready groups of rules",
    hint: "What servers of a kind have to let through. The rules become the policy's own: change or remove them as you like. The first rule that allows what comes in closes the computer to everything else that does.",
    group: "Group",
    choose: "Choose a group",
    add: "Add its rules",
  },
};

export const firewallChangesJa: typeof firewallChangesEn = {
  firewallTrial: {
    operatorTitle: "このコンピュータで必要な通信は、今も使えますか？",
    operatorBody:
      "ファイアウォールの変更 {{number}} を試験的に適用しています。SSH などで新しく接続し直してから確認してください。確認しない場合は {{seconds}} 秒後に以前のルールに戻ります。",
    managerTitle: "ファイアウォールの変更を試験中です",
    managerBody:
      "変更 {{number}} は、コンピュータが {{seconds}} 秒以内にマネージャへ新しく接続できなければ元に戻ります。",
    over: "時間になりました。コンピュータが判断しています。",
    confirm: "問題ないので変更を維持する",
    revert: "変更を元に戻す",
    revertedTitle: "ファイアウォールの前回の変更は取り消されました",
    revertedBody:
      "マネージャとの通信が断たれたか、確認されませんでした。以前のルールが有効で、ポリシーのその他の設定は適用されています。ポリシーを修正するか、再試行してください。",
    retry: "再試行する",
    releasedTitle: "ファイアウォールは手動で解除されています",
    releasedBody:
      "コンピュータ上の操作により、{{until}} まですべての通信を通過させます。実行者と理由はイベントに記録されています。期限が来るか、ポリシーのファイアウォールが次に変更されると終わります。",
    told: "コンピュータに伝えています。",
  },
  ruleGroups: {
    title: "用意されたルールグループ",
    hint: "サーバの種類ごとに必要な通信を許可します。追加したルールはポリシー自身のものになるため、自由に変更、削除できます。受信を許可する最初のルールを追加すると、ルールにない受信は拒否されます。",
    group: "グループ",
    choose: "グループを選択",
    add: "ルールを追加する",
  },
};
