"""The deployed functions, by name. `review` is public; the others are called by schedules and by Pub/Sub alone."""

import functions_framework
from flask import current_app
from penstock import wiring
from penstock.entrypoints import http, workers
from penstock.entrypoints import review as public

if current_app:  # the framework loads this file inside the application that it serves
    http.guard(current_app)
wiring.collect_rarely()

capture = functions_framework.http(workers.capture)
check = functions_framework.http(workers.check)
promote = functions_framework.http(workers.promote)
dead_letter = functions_framework.http(workers.dead_letter)
sweep = functions_framework.http(workers.sweep)
review = functions_framework.http(public.review)
