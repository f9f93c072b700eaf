-- The W3C trace in which an item was marked: its rating, which comes a little later, belongs to the same one.
alter table rating.stale add column traceparent text;
