"""The outbox in one DynamoDB table: for the function on AWS, many copies of which run at once.

No transactions and no index: batches of puts and deletes that may be repeated at any time, in an order in which dying
between any two calls costs nothing, and one item per pace group, where whatever must happen once is one conditional
write. docs/outbox.md draws the items and says why. In short:

    pack    up to 25 rows that came together; written once, deleted when each of them is done
    mark    what became of a row in a pack: said, given up, or moved to a later pack with one more try behind it
    group   the sequence number, the card, the pace, and hints where something waits
    known   the destinations for which an event was kept: makes duplicates cheap, and is trusted for nothing else
    letter  a given-up row, for operators

A row waits that is in a pack and has no mark. Each of its stays in a pack ends once, and its mark says the same whoever
writes it: so nothing that comes late, twice or half can bring back what was said.
"""

from bot.outbox.dynamodb.outbox import DynamoOutbox
from bot.outbox.dynamodb.table import EXPIRES, PATIENCE, TABLE, create_table

__all__ = ["EXPIRES", "PATIENCE", "TABLE", "DynamoOutbox", "create_table"]
