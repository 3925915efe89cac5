"""Owns the table of COCO's 80 classes: what people call each, what it may be taken for, its kinds and places."""

# A class and its words, the most usual first; then what it may be taken for / kinds / places.
CLASSES = """
person: person, man, woman
    ~ - / - / anywhere
bicycle: bike, bicycle, cycle, pushbike
    ~ motorcycle / vehicle / park street
car: car, auto, automobile, vehicle, sedan
    ~ bus, truck / vehicle / park parking street
motorcycle: motorcycle, bike, motorbike, motor bike, motor cycle, scooter, moped, chopper
    ~ bicycle / vehicle / street
airplane: plane, airplane, jet, aeroplane, aircraft, airliner, air plane
    ~ - / vehicle / airport sky
bus: bus, coach, double decker, city bus, tour bus
    ~ car, train, truck / vehicle / street
train: train, train car, locomotive, subway, tram, engine, train engine, railcar, trolley
    ~ bus, truck / vehicle / rails
truck: truck, pickup, pickup truck, lorry, van, pick up truck, semi
    ~ bus, car, train / vehicle / farm street
boat: boat, ship, sailboat, ferry, row boat, canoe, motorboat, vessel, rowboat, sail boat, kayak, yacht
    ~ surfboard / vehicle / water
traffic light: traffic light, light, stoplight, stop light, traffic signal, signal, street light, traffic lights
    ~ clock, parking meter / - / street
fire hydrant: hydrant, fire hydrant, fire plug, water hydrant
    ~ parking meter, vase / - / park street
stop sign: stop sign, sign, stopsign, road sign, street sign
    ~ clock, traffic light / - / street
parking meter: parking meter, meter, parking metre
    ~ fire hydrant, traffic light / - / street
bench: bench, park bench, seat, wooden bench
    ~ bed, chair, couch / furniture / park street
bird: bird, birdie, seagull, pigeon, duck, parrot, gull, goose, owl, swan, pelican, crow, eagle
    ~ airplane, kite / animal / farm park sky water
cat: cat, kitty, kitten, kitty cat, feline, tabby
    ~ dog, teddy bear / animal, pet / home
dog: dog, puppy, doggy, pup, pooch, doggie, hound, canine
    ~ bear, cat, cow, horse, sheep, teddy bear / animal, pet / beach home park street
horse: horse, pony, stallion, mare, steed, foal, colt
    ~ cow, dog, sheep, zebra / animal / farm street
sheep: sheep, lamb, ram, ewe, goat
    ~ bear, cow, dog, horse / animal / farm
cow: cow, bull, cattle, calf, steer, ox, heifer
    ~ bear, dog, elephant, horse, sheep / animal / farm street
elephant: elephant
    ~ bear, cow, horse / animal / zoo
bear: bear, grizzly, cub
    ~ cow, dog, elephant, sheep, teddy bear / animal / zoo
zebra: zebra
    ~ giraffe, horse / animal / zoo
giraffe: giraffe
    ~ horse, zebra / animal / zoo
backpack: backpack, back pack, bag, bookbag, rucksack, knapsack
    ~ handbag, suitcase / bag / airport park snow street
umbrella: umbrella, parasol, brolly, sunshade, beach umbrella
    ~ kite / - / beach park street
handbag: bag, purse, handbag, hand bag, tote, shoulder bag
    ~ backpack, suitcase / bag / airport home street
tie: tie, necktie, neck tie, bow tie
    ~ - / clothes / home office street
suitcase: suitcase, luggage, bag, suit case, case, piece of luggage, trunk, travel bag
    ~ backpack, handbag / bag, luggage / airport home street
frisbee: frisbee, disc, frisbie, disk, flying disc, frizbee
    ~ bowl, kite, sports ball / toy / beach field park
skis: skis, ski, pair of skis
    ~ skateboard, snowboard, surfboard / - / snow
snowboard: snowboard, board, snow board
    ~ skateboard, skis, surfboard / board / snow
sports ball: ball, soccer ball, tennis ball, baseball, football
    ~ apple, frisbee, orange / toy / beach court field park
kite: kite, sail, parachute, wind sail
    ~ airplane, bird, umbrella / toy / beach field park sky
baseball bat: bat, baseball bat, wooden bat, stick
    ~ - / - / field
baseball glove: glove, mitt, baseball glove, catchers mitt, baseball mitt
    ~ - / - / field
skateboard: skateboard, board, skate board, skate, longboard, deck
    ~ skis, snowboard, surfboard / board / park street
surfboard: surfboard, board, surf board, boogie board, paddle board, paddleboard
    ~ boat, skateboard, snowboard / board / beach water
tennis racket: racket, tennis racket, racquet, tennis racquet, raquet, paddle
    ~ - / - / court
bottle: bottle, water bottle, wine bottle, beer, beer bottle, soda, glass bottle, bottle of wine
    ~ cup, vase, wine glass / drink / bathroom dining home kitchen office
wine glass: wine glass, glass, wineglass, glass of wine, wine, goblet
    ~ bottle, cup, vase / drink / dining home kitchen
cup: cup, glass, mug, coffee cup, drink, coffee mug, coffee, plastic cup, glass of water, tea cup, cup of coffee
    ~ bottle, bowl, vase, wine glass / drink / dining home kitchen office
fork: fork, silver fork, silverware
    ~ knife, spoon / silverware, utensil / dining home kitchen
knife: knife, butter knife, blade, steak knife
    ~ fork, scissors, spoon / silverware, utensil / dining home kitchen
spoon: spoon, ladle, serving spoon, tablespoon
    ~ fork, knife / silverware, utensil / dining home kitchen
bowl: bowl, dish, plate, bowl of food, soup, container
    ~ cup, frisbee, sink, vase / dish / dining home kitchen
banana: banana, bananas, bunch of bananas, banana bunch, plantain
    ~ hot dog / fruit, food / dining home kitchen market
apple: apple, apples
    ~ donut, orange, sports ball / fruit, food / dining home kitchen market
sandwich: sandwich, sandwhich, burger, sub, half sandwich, panini, food, sandwich half, wrap, toast
    ~ cake, donut, hot dog, pizza / food / dining home kitchen
orange: orange, oranges, tangerine, orange fruit, orange slice
    ~ apple, carrot, sports ball / fruit, food / dining home kitchen market
broccoli: broccoli, brocoli, broccoli piece, piece of broccoli, green veggie, broccoli floret, brocolli
    ~ - / vegetable, veggie, food / dining home kitchen market
carrot: carrot, carrots, orange veggie, carrot slice, piece of carrot
    ~ hot dog, orange / vegetable, veggie, food / dining home kitchen market
hot dog: hot dog, hotdog, sausage, weiner, frank, hot dog bun
    ~ banana, carrot, pizza, sandwich / food / dining home kitchen
pizza: pizza, slice, pizza slice, slice of pizza, piece of pizza, pie, piece, whole pizza
    ~ bowl, cake, donut, sandwich / food / dining home kitchen
donut: donut, doughnut, pastry, donought, dount
    ~ apple, bowl, cake, pizza, sandwich / food, dessert / dining home kitchen
cake: cake, piece of cake, slice of cake, cupcake, birthday cake, dessert, slice, pastry
    ~ donut, pizza, sandwich / food, dessert / dining home kitchen
chair: chair, seat, armchair, wooden chair, office chair, stool, recliner, arm chair
    ~ bed, bench, couch, toilet / furniture / dining home kitchen office park
couch: couch, sofa, love seat, loveseat, settee, seat
    ~ bed, bench, chair / furniture / home
potted plant: plant, potted plant, flower pot, pot, planter, house plant, flowers, bush, fern
    ~ broccoli, vase / plant / bathroom dining home kitchen office street
bed: bed, mattress, bunk, bunk bed, covers
    ~ bench, chair, couch, dining table / furniture / home
dining table: table, dining table, table top, tabletop, desk, counter, dinner table, wooden table
    ~ bed, bench, couch / furniture / dining home kitchen office
toilet: toilet, commode, potty, toilet bowl, toilet seat, urinal, loo
    ~ bowl, chair, sink / - / bathroom
tv: tv, television, screen, monitor, computer screen, computer monitor, tv screen, computer, t.v.
    ~ cell phone, laptop, microwave, oven / electronics, device / home office
laptop: laptop, computer, lap top, laptop computer, screen, macbook, notebook
    ~ book, cell phone, keyboard, tv / computer, electronics, device / home office
mouse: mouse, computer mouse, wireless mouse
    ~ cell phone, remote / electronics, device / home office
remote: remote, remote control, controller, wii remote, wii controller, wiimote, tv remote
    ~ cell phone, keyboard, mouse / electronics, device / home
keyboard: keyboard, keys, computer keyboard, key board, keypad
    ~ laptop, remote / electronics, device / home office
cell phone: phone, cell phone, cellphone, cell, mobile, smartphone, iphone, mobile phone
    ~ book, laptop, mouse, remote, tv / electronics, device / dining home office street
microwave: microwave, microwave oven, micro wave, microwve
    ~ oven, refrigerator, tv / appliance / kitchen
oven: oven, stove, range, cooker, stove top, stovetop, oven door
    ~ microwave, refrigerator, sink, tv / appliance / kitchen
toaster: toaster, toaster oven
    ~ microwave, oven / appliance / kitchen
sink: sink, basin, bathroom sink, wash basin, kitchen sink, washbasin
    ~ bowl, oven, toilet / - / bathroom kitchen
refrigerator: fridge, refrigerator, refridgerator, freezer, frig, ice box
    ~ microwave, oven / appliance / kitchen
book: book, books, notebook, magazine, stack of books, textbook, novel
    ~ cell phone, laptop / - / home office
clock: clock, clock face, clock tower, watch, wall clock, dial
    ~ parking meter, stop sign, traffic light / - / home kitchen office street
vase: vase, pot, jar, pitcher, urn, jug, flower vase, vase of flowers, flowers
    ~ bottle, bowl, cup, potted plant, wine glass / - / dining home
scissors: scissors, pair of scissors, shears, scissor, sissors
    ~ knife / tool / home office
teddy bear: teddy bear, teddy, bear, stuffed animal, stuffed bear, toy bear, plush, stuffed toy, toy
    ~ bear, cat, dog / toy / home
hair drier: hair dryer, blow dryer, hair drier, dryer, hairdryer
    ~ cell phone / - / bathroom
toothbrush: toothbrush, tooth brush, brush
    ~ - / - / bathroom
"""
