"""日本語 (Japanese)."""

from bot.events import NamedAfter, NameGap
from formatters.phrases import Phrases

PHRASES = Phrases(
    headline={
        NamedAfter.USER: "{who} がログインしました",
        NamedAfter.WORKSPACE: "WorkSpace「{who}」へのログインがありました",
        NamedAfter.COMPUTER: "コンピューター「{who}」へのログインがありました",
        NamedAfter.ID: "{who} へのログインがありました",
    },
    headline_of_many="ログイン {count} 件",
    in_directory="{headline}（{directory}）",  # noqa: RUF001 - the brackets of Japanese text
    names_and_more="{names} ほか {count} 名",
    comma="、",
    sample="【サンプル】{text}",
    sample_note="通知先の動作確認用サンプルです。実際のログインではありません。",
    user="ユーザー",
    directory="ディレクトリ",
    address="接続元",
    client="クライアント",
    time="日時",
    workspace="WorkSpace",
    account="アカウント",
    not_given="情報なし",
    reasons={
        NameGap.SHARED: "WorkSpace が特定のユーザーに割り当てられていません",
        NameGap.UNKNOWN: "該当する WorkSpace が見つかりません",
        NameGap.THROTTLED: "AWS の API が混み合っていたため取得できませんでした",
        NameGap.DENIED: "権限 workspaces:DescribeWorkspaces がないため取得できませんでした",
        NameGap.UNREACHABLE: "AWS から時間内に応答がありませんでした",
        None: "照会していません",
    },
    shown_instead={
        NamedAfter.USER: "ユーザー名を表示しています。",
        NamedAfter.WORKSPACE: "代わりに WorkSpace 名を表示しています。",
        NamedAfter.COMPUTER: "代わりにコンピューター名を表示しています。",
        NamedAfter.ID: "代わりに WorkSpace ID を表示しています。",
    },
    no_name="ユーザー名なし: {reason}。{shown}",
    some_without_name="ユーザー名なし {count} 件: {reason}。",
    and_more="ほか {count} 件: {platforms}。",
    platform_count="{platform} {count} 件",
    given_up="このログインを {destination} に通知できませんでした: {reason}",
    some_given_up="このうち {count} 件を {destination} に通知できませんでした: {reason}",
    late_at_aws="ログインから AWS の通知まで {delay}かかりました。",
    late_on_the_way="AWS の通知がボットに届くまで {delay}かかりました。",
    minutes="{count} 分",
    hours="{count} 時間",
    days="{count} 日",
    date="{year}年{month}{day}日({weekday})",
    day="{month}{day}日",
    clock="{hour}:{minute}:{second}",
    moment="{date} {clock} {zone}",
    span="{first} ～ {last}",  # noqa: RUF001 - the wave dash of Japanese ranges
    months=("1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"),
    weekdays=("月", "火", "水", "木", "金", "土", "日"),
    own_time="お手元の時刻: {date} {time}",
    open_workspace="AWS コンソールで開く",
    open_workspaces="AWS コンソールで WorkSpaces を開く",
)
