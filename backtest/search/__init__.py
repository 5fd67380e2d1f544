"""Parameters searched on the past, judged on what came afterwards; the work spread over processors."""
