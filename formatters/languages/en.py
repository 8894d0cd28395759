"""English."""

from bot.events import NamedAfter, NameGap
from formatters.phrases import Phrases

PHRASES = Phrases(
    headline={
        NamedAfter.USER: "{who} logged in",
        NamedAfter.WORKSPACE: "Login to WorkSpace {who}",
        NamedAfter.COMPUTER: "Login to computer {who}",
        NamedAfter.ID: "Login to {who}",
    },
    headline_of_many="{count} logins",
    in_directory="{headline} – {directory}",  # noqa: RUF001 - an en dash is right here
    names_and_more="{names} and {count} more",
    comma=", ",
    sample="[SAMPLE] {text}",
    sample_note="This is a sample to try the channel out. Nobody logged in.",
    user="User",
    directory="Directory",
    address="From",
    client="With",
    time="When",
    workspace="WorkSpace",
    account="Account",
    not_given="not given",
    reasons={
        NameGap.SHARED: "the WorkSpace is not assigned to one user",
        NameGap.UNKNOWN: "no such WorkSpace was found",
        NameGap.THROTTLED: "AWS was too busy to look it up",
        NameGap.DENIED: "the bot may not look it up (workspaces:DescribeWorkspaces)",
        NameGap.UNREACHABLE: "AWS did not answer in time",
        None: "it was not looked up",
    },
    shown_instead={
        NamedAfter.USER: "Shown is the user's name.",
        NamedAfter.WORKSPACE: "Shown is the WorkSpace's name.",
        NamedAfter.COMPUTER: "Shown is the computer's name.",
        NamedAfter.ID: "Shown is the WorkSpace's id.",
    },
    no_name="No user name: {reason}. {shown}",
    some_without_name="{count} without a user name: {reason}.",
    and_more="And {count} more: {platforms}.",
    platform_count="{platform} {count}",
    given_up="{destination} could not be told of this login: {reason}",
    some_given_up="{destination} could not be told of {count} of these logins: {reason}",
    late_at_aws="AWS reported this login {delay} after it happened.",
    late_on_the_way="AWS's report took {delay} to reach the bot.",
    minutes="{count} min",
    hours="{count} h",
    days="{count} d",
    date="{weekday} {day} {month} {year}",
    day="{day} {month}",
    clock="{hour}:{minute}:{second}",
    moment="{date}, {clock} {zone}",
    span="{first} – {last}",  # noqa: RUF001 - and here
    months=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    weekdays=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    own_time="Your time: {date} at {time}",
    open_workspace="Open in the AWS console",
    open_workspaces="Open WorkSpaces in the AWS console",
)
