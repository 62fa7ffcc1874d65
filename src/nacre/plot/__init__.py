"""Pictures of what was learned: data in, a Vega-Lite chart and its numbers out.

`profile` says what the rows of each cluster have on average, `words` says it to people; `sizes`,
`centres`, `plane` and `losses` draw it; `page` puts it on one page that opens anywhere, offline.
"""
