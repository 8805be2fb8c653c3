"""The deployed functions, by name. `review` is public; the others are called by schedules and by Pub/Sub alone."""

import functions_framework
from penstock.entrypoints import review as public
from penstock.entrypoints import workers

capture = functions_framework.http(workers.capture)
check = functions_framework.http(workers.check)
promote = functions_framework.http(workers.promote)
dead_letter = functions_framework.http(workers.dead_letter)
sweep = functions_framework.http(workers.sweep)
review = functions_framework.http(public.review)
